-- A symbol's dividends from the first to the last ex-date that arrive for it give way to those that arrive.
DELETE FROM dividends
USING (SELECT symbol, min(ex_date) AS first, max(ex_date) AS last FROM incoming_dividends GROUP BY symbol) AS span
WHERE dividends.symbol = span.symbol AND dividends.ex_date BETWEEN span.first AND span.last
RETURNING dividends.symbol;
