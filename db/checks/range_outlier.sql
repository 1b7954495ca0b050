-- warning: a high 40 % above both open and close, or a low 40 % below both, is a bad tick or a damaged number; stop and limit orders of a back-test would fill there.
SELECT row
FROM incoming
WHERE (high > 1.4 * open AND high > 1.4 * close)
   OR (low < 0.6 * open AND low < 0.6 * close);
