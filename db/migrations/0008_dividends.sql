-- What companies paid and gave per share (kq ingest dividends), by the first day without the right to it.

CREATE TABLE dividends (
    symbol       VARCHAR NOT NULL,
    ex_date      DATE NOT NULL,
    record_date  DATE,               -- holders at its close are entitled
    pay_date     DATE,               -- of the cash; NULL: the ex-date
    list_date    DATE,               -- from which new shares may be sold; NULL: the ex-date
    cash         DOUBLE NOT NULL,    -- before tax
    bonus        DOUBLE NOT NULL,    -- shares from profit
    transferred  DOUBLE NOT NULL,    -- shares from capital reserve
    rights_ratio DOUBLE NOT NULL,
    rights_price DOUBLE NOT NULL,
    PRIMARY KEY (symbol, ex_date)
);
