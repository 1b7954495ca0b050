-- warning: more sessions are missing between two bars of a symbol than its exchange's suspensions last: bars are lost, or two companies share a symbol. Selects the first bar after the gap.
WITH gaps AS (
    SELECT row, symbol, date, previous_date
    FROM steps
    -- fewer days cannot hold as many sessions as the least bound below; only a market without weekends has none
    WHERE date > previous_date + (SELECT CASE WHEN bool_or(exchange = '24/7') THEN 1 ELSE 6 END FROM instruments)
)
SELECT g.row
FROM gaps AS g
JOIN sessions AS here ON here.date = g.date
JOIN sessions AS before ON before.date = g.previous_date
JOIN instruments AS i USING (symbol)
WHERE CAST(here.number AS BIGINT) - before.number - 1 > CASE
    -- the mainland let companies stop trading for months until the guidance of 2018-11-06 (25 sessions at most since)
    WHEN i.exchange IN ('XSHG', 'XSHE', 'BJSE') THEN CASE WHEN g.date < DATE '2018-11-06' THEN 120 ELSE 25 END
    WHEN i.exchange = 'XHKG' THEN 60
    WHEN i.exchange = '24/7' THEN 0
    WHEN i.exchange = '' THEN 20
    ELSE 5  -- New York halts a listed name for hours, seldom for days
END;
