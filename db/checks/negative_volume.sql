-- error: volume and amount count what was traded; below zero or infinite they are damage.
SELECT row
FROM incoming
WHERE volume < 0 OR amount < 0 OR NOT isfinite(volume) OR NOT isfinite(amount);
