-- Bars up to a day, adjusted with the factors known then: each symbol's last price is its raw one, and price / factor the raw price.
CREATE MACRO bars_as_known(day) AS TABLE
SELECT symbol, date, time,
       open / scale AS open,
       high / scale AS high,
       low / scale AS low,
       close / scale AS close,
       CASE WHEN symbol IN (SELECT symbol FROM unadjusted_volumes) THEN volume ELSE volume * scale END AS volume,
       amount,
       factor / scale AS factor
FROM bars
JOIN (SELECT symbol, arg_max(factor, time)::DOUBLE AS scale FROM bars WHERE date <= day GROUP BY symbol) USING (symbol)
WHERE date <= day
ORDER BY symbol, time;
