-- warning: a factor changes at a split or dividend and stays changed. A change that reverts within 10 sessions, or of over 15 % that the price does not follow, corrupts all returns and orders across it.
WITH changes AS (
    SELECT row, symbol, number, factor / previous_factor AS change, factor, previous_factor, open / previous_close AS gap,
           lead(row) OVER w AS next_row, lead(symbol) OVER w AS next_symbol, lead(factor) OVER w AS next_factor
    FROM steps
    WHERE abs(factor / previous_factor - 1) > 1e-4
    WINDOW w AS (ORDER BY row)
)
SELECT row
FROM changes
WHERE (abs(change - 1) > 0.005 AND next_symbol = symbol AND next_row - row <= 10
       AND abs(next_factor / previous_factor - 1) < 1e-3)
   -- adjusted prices (raw * factor) are continuous across a true change; here they take most of it over
   OR (abs(ln(change)) > ln(1.15) AND abs(ln(gap)) > 0.75 * abs(ln(change)));
