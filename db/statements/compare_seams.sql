-- Symbols of which no bar is in common, where the factor jumps between the stored and the incoming bars. A split or a
-- dividend moves the raw price against the factor; where the raw price goes on and the adjusted one jumps instead, the
-- source has another scale. A small jump is ambiguous and treated as a corporate action.
UPDATE compared
SET seam = true,
    scale = if(abs(ln(jump)) > ln($least_jump) AND abs(ln(raw_move)) < abs(ln(raw_move * jump)), jump, 1.0)
FROM (
    SELECT symbol, new.factor::DOUBLE / old.factor AS jump, new.close::DOUBLE / old.close / jump AS raw_move
    FROM (
        SELECT symbol,
               if(i.first > b.last, i.head, i.tail) AS new,
               if(i.first > b.last, b.tail, b.head) AS old
        FROM (
            SELECT symbol, min(time) AS first, max(time) AS last,
                   arg_min({close: close, factor: factor}, time) AS head,
                   arg_max({close: close, factor: factor}, time) AS tail
            FROM incoming
            SEMI JOIN (SELECT symbol FROM compared WHERE common = 0 AND NOT fresh) AS apart USING (symbol)
            GROUP BY symbol
        ) AS i
        JOIN (
            SELECT symbol, min(time) AS first, max(time) AS last,
                   arg_min({close: close, factor: factor}, time) AS head,
                   arg_max({close: close, factor: factor}, time) AS tail
            FROM bars
            SEMI JOIN (SELECT symbol FROM compared WHERE common = 0 AND NOT fresh) AS apart USING (symbol)
            WHERE freq = $freq
            GROUP BY symbol
        ) AS b USING (symbol)
        WHERE i.first > b.last OR i.last < b.first
    )
    WHERE abs(jump - 1) > $tolerance
) AS seams
WHERE compared.symbol = seams.symbol;
