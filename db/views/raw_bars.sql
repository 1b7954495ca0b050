-- Bars in quoted prices and traded shares.
CREATE VIEW raw_bars AS
SELECT symbol, date, time,
       open / factor AS open,
       high / factor AS high,
       low / factor AS low,
       close / factor AS close,
       CASE WHEN symbol IN (SELECT symbol FROM unadjusted_volumes) THEN volume ELSE volume * factor END AS volume,
       amount
FROM bars;
