-- The incoming bars in the stored scale. The raw price passes through one rounding only, and where the scale is the
-- stored one (scale = 1) every value comes out as it went in: x / f * f in double precision rounds back to x.
CREATE OR REPLACE TEMP VIEW arriving AS
SELECT symbol, date, time,
       (open::DOUBLE / factor * own_factor)::FLOAT AS open,
       (high::DOUBLE / factor * own_factor)::FLOAT AS high,
       (low::DOUBLE / factor * own_factor)::FLOAT AS low,
       (close::DOUBLE / factor * own_factor)::FLOAT AS close,
       if(volume_as_is, volume, (volume::DOUBLE * factor / own_factor)::FLOAT) AS volume,
       amount,
       own_factor AS factor
FROM (
    SELECT i.*, c.volume_as_is, (i.factor / c.scale)::FLOAT AS own_factor
    FROM incoming AS i
    JOIN compared AS c USING (symbol)
);
