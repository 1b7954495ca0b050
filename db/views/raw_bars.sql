-- Bars in the prices and shares that were really quoted and traded.
CREATE VIEW raw_bars AS
SELECT symbol, date, time,
       open / factor AS open,
       high / factor AS high,
       low / factor AS low,
       close / factor AS close,
       volume * factor AS volume,
       amount
FROM bars;
