-- Stored signals, one row per recipe, "asof" (SQL needs the quotes) and symbol. The files are those of the variable
-- `signal_files`, set by kronos_quant.signals.attach_signals. Raw scores: a recipe's steps are not applied.
CREATE OR REPLACE VIEW signals AS
SELECT parse_path(filename)[-2] AS recipe, * EXCLUDE (filename)
FROM read_parquet(getvariable('signal_files'), union_by_name = true, filename = true);
