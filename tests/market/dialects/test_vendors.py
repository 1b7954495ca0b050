"""Files in the forms of vendors, made from what their makers document; each with the bars that it means."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch
from kronos_quant.market.dialects.names import plain_names
from kronos_quant.market.dialects.vendors import DIALECTS
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.tables import read_csv_files, read_tables
from kronos_quant.schema import PRICES

DAY = datetime(2024, 5, 27)


class Case(NamedTuple):
    """A file, and the first of its bars: symbol, end, open, high, low, close, volume, amount (None: not given)."""

    dialect: str
    name: str
    text: str
    bar: tuple[str, datetime, float, float, float, float, float, float | None]
    encoding: str = "utf-8"
    freq: str = "day"


CASES = [
    Case(
        "eastmoney",
        "000001.csv",
        "时间,开盘,收盘,最高,最低,涨跌幅,涨跌额,成交量,成交额,振幅,换手率\n"
        "2024-05-27 09:35:00,10.0,10.1,10.2,9.9,0,0,120,120600,0,0\n"
        "2024-05-27 09:40:00,10.1,10.1,10.2,10.0,0,0,10,10100,0,0\n",
        ("SZ000001", datetime(2024, 5, 27, 9, 35), 10.0, 10.2, 9.9, 10.1, 12000, 120600),
        freq="5min",
    ),
    Case(
        "eastmoney",
        "00700.csv",
        "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率\n2024-05-27,380,382,384,379,1000,381500,0,0,0,0\n",
        ("HK00700", DAY, 380, 384, 379, 382, 1000, 381500),
    ),
    Case(
        "eastmoney",
        "105.MSFT.csv",
        "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率\n2024-05-27,420,425,426,419,1000,422000,0,0,0,0\n",
        ("MSFT", DAY, 420, 426, 419, 425, 1000, 422000),
    ),
    Case(
        "sina",
        "sh600000.csv",
        "date,open,high,low,close,volume,amount,outstanding_share,turnover\n"
        "2024-05-27,8.0,8.2,7.9,8.1,1000000,8050000,29352080397,0.00003\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "tencent_old",
        "sz000001.csv",
        "date,open,close,high,low,amount\n2024-05-27,10,10.1,10.2,9.9,1234\n",
        ("SZ000001", DAY, 10, 10.2, 9.9, 10.1, 123400, None),
    ),
    Case(
        "akshare_futures",
        "RB0.csv",
        "date,open,high,low,close,volume,hold,settle\n2024-05-27,3700,3720,3690,3710,1500000,1600000,3705\n",
        ("RB0", DAY, 3700, 3720, 3690, 3710, 1.5e6, None),
    ),
    Case(
        "eastmoney_futures",
        "RB2410.csv",
        "时间,开盘,最高,最低,收盘,涨跌,涨跌幅,成交量,成交额,持仓量\n"
        "2024-05-27,3700,3720,3690,3710,1,0.1,1500000,55500000000,1600000\n",
        ("RB2410", DAY, 3700, 3720, 3690, 3710, 1.5e6, 5.55e10),
    ),
    Case(
        "tushare_futures",
        "fut.csv",
        "ts_code,trade_date,pre_close,pre_settle,open,high,low,close,settle,change1,change2,vol,amount,oi,oi_chg\n"
        "CU2407.SHF,20240527,83000,83100,83000,84000,82000,83500,83200,0,0,100,41600,500,1\n",
        ("CU2407.SHF", DAY, 83000, 84000, 82000, 83500, 100, 4.16e8),
    ),
    Case(
        "tushare",
        "index.csv",
        "ts_code,trade_date,close,open,high,low,pre_close,change,pct_chg,vol,amount\n"
        "000300.SH,20240527,3635,3600,3640,3590,3601,34,0.9,1000000,2000000\n",
        ("SH000300", DAY, 3600, 3640, 3590, 3635, 1e8, 2e9),
    ),
    Case(
        "tushare_minutes",
        "600000.SH.csv",
        "ts_code,trade_time,open,close,high,low,vol,amount\n"
        "600000.SH,2024-05-27 09:40:00,8.0,8.1,8.2,7.9,1000,8050\n"
        "600000.SH,2024-05-27 09:35:00,8.0,8.1,8.2,7.9,2000,16100\n",
        ("SH600000", datetime(2024, 5, 27, 9, 35), 8.0, 8.2, 7.9, 8.1, 2000, 16100),
        freq="5min",
    ),
    Case(
        "yfinance",
        "AAPL.csv",
        "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2024-05-28 14:30:00-04:00,191,192,190,191.5,1000,0.0,0.0\n"
        "2024-05-28 15:30:00-04:00,191,192,190,191.5,1000,0.0,0.0\n"
        "2024-05-29 09:30:00-04:00,191,192,190,191.5,1000,0.0,0.0\n"
        "2024-05-29 10:30:00-04:00,191,192,190,191.5,1000,0.0,0.0\n",
        ("AAPL", datetime(2024, 5, 28, 15, 30), 191, 192, 190, 191.5, 1000, None),
        freq="60min",
    ),
    Case(
        "yfinance",
        "^GSPC.csv",
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2024-05-28 00:00:00-04:00,5300,5315,5280,5306,1000,0.0,0.0\n",
        ("^GSPC", datetime(2024, 5, 28), 5300, 5315, 5280, 5306, 1000, None),
    ),
    Case(
        "alphavantage_raw",
        "intraday_5min_IBM.csv",
        "timestamp,open,high,low,close,volume\n2024-05-28 09:35:00,171,172,170,171.5,100\n"
        "2024-05-28 09:30:00,170,171,169,170.5,200\n",
        ("IBM", datetime(2024, 5, 28, 9, 35), 170, 171, 169, 170.5, 200, None),
        freq="5min",
    ),
    Case(
        "polygon",
        "2024-05-28.csv",
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "BRK.B,1000.5,410,411,412,409,1716868800000000000,10\nAAPL,100,190,191,192,189,1716868800000000000,10\n",
        ("BRK.B", datetime(2024, 5, 28), 410, 412, 409, 411, 1000.5, None),
    ),
    Case(
        "polygon",
        "minutes.csv",
        "ticker,volume,open,close,high,low,window_start,transactions\n"
        "AAPL,100,190,191,192,189,1716903000000000000,10\nAAPL,100,191,191,192,189,1716903060000000000,10\n",
        ("AAPL", datetime(2024, 5, 28, 9, 31), 190, 192, 189, 191, 100, None),
        freq="1min",
    ),
    Case(
        "polygon_rest",
        "aggs.json",
        '{"ticker":"AAPL","status":"OK","results":[{"v":1000,"vw":190.5,"o":190,"c":191,"h":192,"l":189,'
        '"t":1716868800000,"n":5},{"v":1000,"vw":190.5,"o":191,"c":191,"h":192,"l":189,"t":1716955200000,"n":5}]}',
        ("AAPL", datetime(2024, 5, 28), 190, 192, 189, 191, 1000, None),
    ),
    Case(
        "binance",
        "BTCUSDT-1h-2024-12.csv",
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,"
        "ignore\n1735646400000,94212.7,94609.4,93199.3,93451.6,972.3,1735649999999,91237076,321,486,45618538,0\n"
        "1735650000000,93451,93500,93000,93100,10,1735653599999,932000,3,4,5,0\n",
        ("BTCUSDT", datetime(2024, 12, 31, 13), 94212.7, 94609.4, 93199.3, 93451.6, 972.3, 91237076),
        freq="60min",
    ),
    Case(
        "binance_archive",
        "BTCUSDT-1d.json",
        '[[1735603200000,"94000","95000","93000","93500","972.3",1735689599999,"91237076",321,"486","45618538","0"],'
        '[1735689600000,"93500","95000","93000","94500","10",1735775999999,"943000",3,"4","5","0"]]',
        ("BTCUSDT", datetime(2024, 12, 31), 94000, 95000, 93000, 93500, 972.3, 91237076),
    ),
    Case(
        "ccxt",
        "BTC_USDT-1h.json",
        "[[1735646400000,94212.7,94609.4,93199.3,93451.6,972.3],[1735650000000,93451,93500,93000,93100,10]]",
        ("BTC-USDT", datetime(2024, 12, 31, 13), 94212.7, 94609.4, 93199.3, 93451.6, 972.3, None),
        freq="60min",
    ),
    Case(
        "freqtrade",
        "ETH_USDT-5m.csv",
        "date,open,high,low,close,volume\n2024-05-27 00:00:00+00:00,3800,3810,3790,3805,10\n"
        "2024-05-27 00:05:00+00:00,3805,3810,3790,3800,20\n",
        ("ETH-USDT", datetime(2024, 5, 27, 0, 5), 3800, 3810, 3790, 3805, 10, None),
        freq="5min",
    ),
    Case(
        "metatrader5",
        "EURUSD_Daily_202405270000_202405280000.csv",
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
        "2024.05.27\t1.08\t1.09\t1.07\t1.085\t5000\t0\t1\r\n",
        ("EURUSD", DAY, 1.08, 1.09, 1.07, 1.085, 5000, None),
    ),
    Case(
        "metatrader4",
        "EURUSD60.csv",
        "2024.05.27,00:00,1.08,1.09,1.07,1.085,500\r\n2024.05.27,01:00,1.085,1.09,1.07,1.08,400\r\n",
        ("EURUSD", datetime(2024, 5, 27, 1), 1.08, 1.09, 1.07, 1.085, 500, None),
        freq="60min",
    ),
    Case(
        "histdata",
        "DAT_ASCII_EURUSD_M1_2024.csv",
        "20240527 000000;1.08;1.09;1.07;1.085;0\n20240527 000100;1.085;1.09;1.07;1.08;0\n",
        ("EURUSD", datetime(2024, 5, 27, 0, 1), 1.08, 1.09, 1.07, 1.085, 0, None),
        freq="1min",
    ),
    Case(
        "tradingview",
        "SSE_DLY_000300, 1D.csv",
        "time,open,high,low,close,Volume\n1716768000,3600,3640,3590,3635,1000\n1716854400,3635,3640,3590,3600,1000\n",
        ("SH000300", DAY, 3600, 3640, 3590, 3635, 1000, None),
    ),
    Case(
        "tradingview",
        "SZSE_000001, 60.csv",
        "time,open,high,low,close,Volume\n2024-05-27T13:00:00+08:00,10,11,9,10.5,1000\n"
        "2024-05-27T14:00:00+08:00,10.5,11,9,10,1000\n",
        ("SZ000001", datetime(2024, 5, 27, 14), 10, 11, 9, 10.5, 1000, None),
        freq="60min",
    ),
    Case(
        "stooq_bulk",
        "spy.us.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\n"
        "SPY.US,D,20240528,000000,530,531,528,529.5,1000,0\r\n",
        ("SPY", datetime(2024, 5, 28), 530, 531, 528, 529.5, 1000, None),
    ),
    Case(
        "stooq",
        "^spx_d.csv",
        "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen\n2024-05-28,5300,5315,5280,5306,1000\n",
        ("^SPX", datetime(2024, 5, 28), 5300, 5315, 5280, 5306, 1000, None),
    ),
    Case(
        "tongdaxin",
        "SZ#000001.txt",
        "000001 平安银行 5分钟线 不复权\r\n"
        "      日期\t    时间\t    开盘\t    最高\t    最低\t    收盘\t    成交量\t    成交额\r\n"
        "2024/05/27\t0935\t10.00\t10.20\t9.90\t10.10\t12000\t120600.00\r\n"
        "2024/05/27\t0940\t10.10\t10.20\t9.90\t10.10\t1000\t10050.00\r\n#数据来源:通达信\r\n",
        ("SZ000001", datetime(2024, 5, 27, 9, 35), 10, 10.2, 9.9, 10.1, 12000, 120600),
        encoding="gb18030",
        freq="5min",
    ),
    Case(
        "tongdaxin",
        "31#01093.txt",
        "01093 石药集团 日线 不复权\r\n日期 开盘 最高 最低 收盘 成交量 成交额\r\n"
        "2024-05-27 6.30 6.50 6.20 6.40 1314816 836828352.00\r\n数据来源:通达信\r\n",
        ("HK01093", DAY, 6.3, 6.5, 6.2, 6.4, 131481600, 836828352),
        encoding="gb18030",
    ),
    Case(
        "tongdaxin_rows",
        "SH#600000.txt",
        "2024/05/27,8.93,9.23,8.92,9.12,4068100,36816305.00\r\n2024/05/28,9.12,9.13,9.03,9.13,1000,9080.00\r\n",
        ("SH600000", DAY, 8.93, 9.23, 8.92, 9.12, 4068100, 36816305),
    ),
    Case(
        "tonghuashun",
        "600000.txt",
        "时间\t开盘\t最高\t最低\t收盘\t涨幅\t振幅\t总手\t金额\t换手%\t成交次数\t\r\n"
        "2024-05-27,一\t8.00\t8.20\t7.90\t8.10\t--\t3.7%\t1,000,000\t8,050,000\t0.12\t--\t\r\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
        encoding="gbk",
    ),
    Case(
        "generic",
        "600000.SH.csv",
        "代码,简称,日期,前收盘价(元),开盘价(元),最高价(元),最低价(元),收盘价(元),成交量(股),成交金额(元),换手率(%)\n"
        "600000.SH,浦发银行,2024-05-27,8.0,8.0,8.2,7.9,8.1,1000000,8050000,0.1\n"
        "600000.SH,浦发银行,2024-05-28,8.1,--,--,--,--,--,--,--\n数据来源：Wind\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
        encoding="gbk",
    ),
    Case(
        "generic",
        "600036_招商银行.csv",
        "日期,代码,股票名称,开盘价,最高价,最低价,收盘价,成交量(手),成交金额(万元),换手率(%)\r\n"
        "2024-05-27,600036,招商银行,34.0,35.0,33.5,34.5,10000,3430,0.05\r\n",
        ("SH600036", DAY, 34.0, 35.0, 33.5, 34.5, 1e6, 3.43e7),
        encoding="utf-8-sig",
    ),
    Case(
        "generic",
        "SH600000.csv",
        "日期\t开盘\t最高\t最低\t收盘\t成交量\t成交额\n2024/5/27\t8.0\t8.2\t7.9\t8.1\t1.00万\t805.00万\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
        encoding="utf-16",
    ),
    Case(
        "generic",
        "SH600000.csv",
        "date;open;high;low;close;volume;amount\n27.05.2024;8,0;8,2;7,9;8,1;1.000.000;8.050.000,0\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "generic",
        "X.csv",
        "Date|Open|High|Low|Close|Volume\n05/27/2024 09:35 AM|1|2|0.5|1.5|10\n05/27/2024 02:40 PM|1|2|0.5|1.5|10\n"
        "05/27/2024 02:45 PM|1|2|0.5|1.5|10\n",
        ("X", datetime(2024, 5, 27, 9, 35), 1, 2, 0.5, 1.5, 10, None),
        freq="5min",
    ),
    Case(
        "ricequant",
        "rq.csv",
        "order_book_id,date,volume,low,total_turnover,close,high,open,num_trades,prev_close,limit_up,limit_down\n"
        "000001.XSHE,2024-05-27,1000000,9.9,10050000,10.1,10.2,10.0,500,10,11,9\n"
        "600000.XSHG,2024-05-27,1000000,7.9,8050000,8.1,8.2,8.0,500,8,8.8,7.2\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "joinquant",
        "000001.XSHE.csv",
        ",open,close,high,low,volume,money,paused\n2024-05-27 09:31:00,10,10.1,10.2,9.9,1000,10050,0.0\n"
        "2024-05-27 09:32:00,10.1,10.1,10.2,9.9,1000,10050,0.0\n",
        ("SZ000001", datetime(2024, 5, 27, 9, 31), 10, 10.2, 9.9, 10.1, 1000, 10050),
        freq="1min",
    ),
    Case(
        "vnpy",
        "bars.csv",
        "symbol,exchange,datetime,interval,volume,turnover,open_interest,open_price,high_price,low_price,close_price\n"
        "rb2410,SHFE,2024-05-27 09:00:00,1m,100,3700000,1000,3700,3710,3690,3705\n"
        "rb2410,SHFE,2024-05-27 09:01:00,1m,100,3700000,1000,3705,3710,3690,3700\n",
        ("RB2410.SHFE", datetime(2024, 5, 27, 9, 1), 3700, 3710, 3690, 3705, 100, 3.7e6),
        freq="1min",
    ),
    Case(
        "ib",
        "AAPL.csv",
        ",date,open,high,low,close,volume,average,barCount\n"
        "0,2024-05-28 09:30:00-04:00,190,191,189,190.5,100.0,190.2,10\n"
        "1,2024-05-28 09:35:00-04:00,190.5,191,189,190,100.0,190.2,10\n",
        ("AAPL", datetime(2024, 5, 28, 9, 35), 190, 191, 189, 190.5, 100, None),
        freq="5min",
    ),
    Case(
        "wind_tables",
        "eod.csv",
        "S_INFO_WINDCODE,TRADE_DT,S_DQ_OPEN,S_DQ_HIGH,S_DQ_LOW,S_DQ_CLOSE,S_DQ_VOLUME,S_DQ_AMOUNT\n"
        "600000.SH,20240527,8.0,8.2,7.9,8.1,10000,8050\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "investing",
        "AAPL.csv",
        '"Date","Price","Open","High","Low","Vol.","Change %"\n'
        '"05/28/2024","190.5","190.0","191.0","189.0","1.50M","0.1%"\n',
        ("AAPL", datetime(2024, 5, 28), 190, 191, 189, 190.5, 1.5e6, None),
    ),
    Case(
        "generic",
        "SAP.csv",
        '\ufeff"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n'
        '"28.05.2024","1.179,50","1.178,00","1.180,10","1.177,00","1,50M","0,10%"\n',
        ("SAP", datetime(2024, 5, 28), 1178, 1180.1, 1177, 1179.5, 1.5e6, None),
    ),
    Case(
        "generic",
        "TEF.csv",
        '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."\n'
        '"28.05.2024","4,250","4,200","4,300","4,100","1,50M","0,10%"\n',
        ("TEF", datetime(2024, 5, 28), 4.2, 4.3, 4.1, 4.25, 1.5e6, None),
    ),
    Case(
        "generic",
        "600000.csv",
        '"日期","收盘","开盘","高","低","交易量","涨跌幅"\n"2024-05-27","8.10","8.00","8.20","7.90","1.50M","0.1%"\n',
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1.5e6, None),
    ),
    Case(
        "generic",
        "AAPL.csv",
        "Date,Close/Last,Volume,Open,High,Low\n5/28/24,$190.50,1\u202f000,$190.00,$191.00,$189.00\n",
        ("AAPL", datetime(2024, 5, 28), 190, 191, 189, 190.5, 1000, None),
    ),
    Case(
        "generic",
        "X.csv",
        "Date;Open;High;Low;Close;Volume\n27-May-24;1'234.5;1'240;1'230;1'235;1'000'000\n",
        ("X", DAY, 1234.5, 1240, 1230, 1235, 1e6, None),
    ),
    Case(
        "generic",
        "Binance_BTCUSDT_d.csv",
        "https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount\n"
        "1735689600000,2025-01-01,BTCUSDT,94000,95000,93000,93500,972.3,91237076,321\n",
        ("BTCUSDT", datetime(2025, 1, 1), 94000, 95000, 93000, 93500, 972.3, 91237076),
    ),
    Case(
        "dukascopy",
        "EURUSD_Candlestick_1_Hour_BID_27.05.2024-28.05.2024.csv",
        "Gmt time,Open,High,Low,Close,Volume\n27.05.2024 00:00:00.000,1.08,1.09,1.07,1.085,500.5\n"
        "27.05.2024 01:00:00.000,1.085,1.09,1.07,1.08,400\n",
        ("EURUSD", datetime(2024, 5, 27, 1), 1.08, 1.09, 1.07, 1.085, 500.5, None),
        freq="60min",
    ),
    Case(
        "metatrader5_rows",
        "GOLD_H1.csv",
        "2024.05.27 00:00,1.08,1.09,1.07,1.085,500,0,1\r\n2024.05.27 01:00,1.085,1.09,1.07,1.08,400,0,1\r\n",
        ("GOLD", datetime(2024, 5, 27, 1), 1.08, 1.09, 1.07, 1.085, 500, None),
        encoding="utf-16",
        freq="60min",
    ),
    Case(
        "yfinance_download",
        "prices.csv",
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDatetime,,,,,\n"
        "2024-05-28 13:30:00+00:00,190.5,191,189,190,1000\n2024-05-28 13:35:00+00:00,190.6,191,189,190,1000\n",
        ("AAPL", datetime(2024, 5, 28, 9, 35), 190, 191, 189, 190.5, 1000, None),
        freq="5min",
    ),
    Case(
        "binance_archive",
        "BTCUSDT_1d.json",
        '[[1735603200000,"94000","95000","93000","93500","972.3",1735689599999,"91237076",321,"486","45618538","0"]]',
        ("BTCUSDT", datetime(2024, 12, 31), 94000, 95000, 93000, 93500, 972.3, 91237076),
    ),
    Case(
        "ccxt",
        "BTC_USDT_USDT-1h-futures.json",
        "[[1735646400000,94000,95000,93000,93500,10],[1735650000000,94000,95000,93000,93500,10]]",
        ("BTC-USDT-USDT", datetime(2024, 12, 31, 13), 94000, 95000, 93000, 93500, 10, None),
        freq="60min",
    ),
    Case(
        "tushare",
        "d.csv",
        ",ts_code,trade_date,open,high,low,close,vol\n0,000001.SZ,20240527.0,10,10.2,9.9,10.1,10000\n",
        ("SZ000001", DAY, 10, 10.2, 9.9, 10.1, 1e6, None),
    ),
    Case(
        "generic",
        "gm.csv",
        "symbol,frequency,open,close,high,low,amount,bob,eob,volume\n"
        "SHSE.600000,60s,8,8.1,8.2,7.9,8050,2024-05-27 09:30:00+08:00,2024-05-27 09:31:00+08:00,1000\n"
        "SHSE.600000,60s,8,8.1,8.2,7.9,8050,2024-05-27 09:31:00+08:00,2024-05-27 09:32:00+08:00,1000\n",
        ("SH600000", datetime(2024, 5, 27, 9, 31), 8, 8.2, 7.9, 8.1, 1000, 8050),
        freq="1min",
    ),
    Case(
        "futu",
        "HK.00700.csv",
        "code,name,time_key,open,close,high,low,turnover_rate,volume,turnover,last_close\n"
        "HK.00700,腾讯,2024-05-27 00:00:00,380,382,384,379,0.001,1000,381500,380\n",
        ("HK00700", DAY, 380, 384, 379, 382, 1000, 381500),
    ),
    Case(
        "metatrader5_python",
        "EURUSD.csv",
        "time,open,high,low,close,tick_volume,spread,real_volume\n1716768000,1.08,1.09,1.07,1.085,500,1,0\n"
        "1716771600,1.085,1.09,1.07,1.08,400,1,0\n",
        ("EURUSD", datetime(2024, 5, 27, 1), 1.08, 1.09, 1.07, 1.085, 500, None),
        freq="60min",
    ),
    Case(
        "tradingview",
        "CME_MINI_ES1!, 1D.csv",
        "time,open,high,low,close,Volume\n2024-05-28,5300,5315,5280,5306,1000\n",
        ("ES1!", datetime(2024, 5, 28), 5300, 5315, 5280, 5306, 1000, None),
    ),
    Case(
        "stooq",
        "0700_hk_d.csv",
        "Date,Open,High,Low,Close,Volume\n2024-05-28,380,384,379,382,1000\n",
        ("HK00700", datetime(2024, 5, 28), 380, 384, 379, 382, 1000, None),
    ),
    Case(
        "tushare",
        "cb.csv",
        "ts_code,trade_date,pre_close,open,high,low,close,change,pct_chg,vol,amount\n"
        "113050.SH,20240527,110,110.1,111.2,109.9,110.8,0,0,1234.5,136.4\n",
        ("SH113050", DAY, 110.1, 111.2, 109.9, 110.8, 12345, 1364000),
    ),
    Case(
        "csindex",
        "000300.csv",
        "日期,指数代码,指数中文简称,开盘,最高,最低,收盘,涨跌,成交量,成交金额,样本数量,滚动市盈率\n"
        "2024-05-27,000300,沪深300,3600,3640,3590,3635,1,10500.12,2050.33,300,12\n",
        ("SH000300", DAY, 3600, 3640, 3590, 3635, 10500.12e6, 2050.33e8),
    ),
    Case(
        "vnpy",
        "600000.SSE.csv",
        "datetime,open,high,low,close,volume,turnover,open_interest\n2024-05-27 09:30:00,8,8.2,7.9,8.1,1000,8050,0\n"
        "2024-05-27 09:31:00,8,8.2,7.9,8.1,1000,8050,0\n",
        ("SH600000", datetime(2024, 5, 27, 9, 31), 8, 8.2, 7.9, 8.1, 1000, 8050),
        freq="1min",
    ),
    Case(
        "tongdaxin",
        "SH#600000.txt",
        "600000 浦发银行 日线 后复权\r\n日期,开盘,最高,最低,收盘,成交量,成交额\r\n"
        "2024-05-27,80.00,82.00,79.00,81.00,1000000,8050000.00\r\n#数据来源:通达信\r\n",
        ("SH600000", DAY, 80, 82, 79, 81, 1e6, 8.05e6),
        encoding="gb18030",
    ),
    Case(
        "tongdaxin",
        "30#RBL8.txt",
        "RBL8 螺纹主连 日线\r\n日期\t开盘\t最高\t最低\t收盘\t成交量\t持仓量\t结算价\r\n"
        "2024/05/27\t3700\t3720\t3690\t3710\t1500000\t1600000\t3705\r\n数据来源:通达信\r\n",
        ("RBL8", DAY, 3700, 3720, 3690, 3710, 1.5e6, None),
        encoding="gb18030",
    ),
    Case(
        "eastmoney",
        "600000_hfq.csv",
        "日期,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率\n2024-05-27,800,810,820,790,10000,8050000,0,0,0,0\n",
        ("SH600000", DAY, 800, 820, 790, 810, 1e6, 8.05e6),
    ),
    Case(
        "generic",
        "TRD_Dalyr.csv",
        '"Stkcd","Trddt","Opnprc","Hiprc","Loprc","Clsprc","Dnshrtrd","Dnvaltrd"\n'
        '"证券代码","交易日期","日开盘价","日最高价","日最低价","日收盘价","日个股交易股数","日个股交易金额"\n'
        '"没有单位","没有单位","元/股","元/股","元/股","元/股","股","元"\n'
        '"000001","2024-05-27","10","10.2","9.9","10.1","1000000","10050000"\n',
        ("SZ000001", DAY, 10, 10.2, 9.9, 10.1, 1e6, 1.005e7),
    ),
    Case(
        "generic",
        "wind.csv",
        "Wind资讯,,,,,,,\n证券代码,交易日期,开盘价,最高价,最低价,收盘价,成交量,成交额\n"
        ",,[单位]元,[单位]元,[单位]元,[单位]元,[单位]万股,[单位]亿元\n600000.SH,2024-05-27,8,8.2,7.9,8.1,100,0.0805\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
        encoding="gbk",
    ),
    Case(
        "generic",
        "choice.csv",
        "证券代码,交易日期,开盘价[单位]元,最高价[单位]元,最低价[单位]元,收盘价[单位]元,成交量[单位]万股,成交额[单位]万元\n"
        "'000001,2024-05-27,8,8.2,7.9,8.1,100,805\n",
        ("SZ000001", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "generic",
        "wind.csv",
        '证券代码,交易日期,"开盘价\n[单位]元","最高价\n[单位]元","最低价\n[单位]元","收盘价\n[单位]元","成交量\n[单位]万股",'
        '"成交额\n[单位]万元"\n600000.SH,2024-05-27,8,8.2,7.9,8.1,100,805\n',
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
    Case(
        "generic",
        "codes.csv",
        "code,date,open,high,low,close,volume,amount\n600000.0,20240527,8,8.2,7.9,8.1,1000000,8050000\n"
        "1.0,20240528,10,10.2,9.9,10.1,1000000,10050000\n",
        ("SH600000", DAY, 8.0, 8.2, 7.9, 8.1, 1e6, 8.05e6),
    ),
]


def read(folder: Path, name: str, content: bytes, **options: Any) -> BarBatch:
    (folder / name).write_bytes(content)
    return read_csv_files(folder / name, ReadOptions(**options))


@pytest.mark.parametrize("case", CASES, ids=[f"{case.dialect}-{case.name}" for case in CASES])
def test_a_vendors_file_gives_the_bars_that_it_means(tmp_path: Path, case: Case) -> None:
    batch = read(tmp_path, case.name, case.text.encode(case.encoding))
    assert (dict(batch.options)["dialect"], batch.freq) == (case.dialect, case.freq)
    first = batch.bars.sort("symbol" if case.dialect == "ricequant" else "time", maintain_order=True).row(0, named=True)
    symbol, end, *prices, volume, amount = case.bar
    assert (first["symbol"], first["time"]) == (symbol, end)
    assert [first[name] for name in ("open", "high", "low", "close")] == pytest.approx(prices, rel=1e-6)
    assert first["volume"] == pytest.approx(volume, rel=1e-6)
    if amount is not None:
        assert first["amount"] == pytest.approx(amount, rel=1e-6)
    assert first["factor"] == 1


def test_every_mark_of_a_dialect_is_a_name_that_can_be_found() -> None:
    for dialect in DIALECTS:
        marks = [one for mark in (*dialect.marks, *dialect.without) for one in mark.split("|")]
        assert plain_names(marks) == tuple(marks), dialect.name


ADJUSTED = [
    (
        "IBM.csv",
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
        "2024-05-28,170,172,168,171,85.5,1000,0,1\n",
    ),
    (
        "IBM.csv",
        "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor\n"
        "2024-05-28T00:00:00.000Z,171,172,168,170,1000,85.5,86,84,85,2000,0,1\n",
    ),
    ("IBM.csv", "Date,Open,High,Low,Close,Adj Close,Volume\n2024-05-28,170,172,168,171,85.5,1000\n"),
]


@pytest.mark.parametrize(("name", "text"), ADJUSTED, ids=["alphavantage", "tiingo", "yahoo"])
def test_an_adjusted_close_beside_raw_prices_is_their_factor(tmp_path: Path, name: str, text: str) -> None:
    [bar] = read(tmp_path, name, text.encode()).bars.rows(named=True)
    assert (bar["symbol"], bar["date"], bar["factor"]) == ("IBM", date(2024, 5, 28), 0.5)
    assert [bar[field] for field in ("open", "high", "low", "close", "volume")] == [85, 86, 84, 85.5, 2000]


@pytest.mark.parametrize(
    ("name", "factors", "expected"),
    [
        ("sh600000_hfq_factor.csv", "date,hfq_factor\n2024-05-28,8.0\n2024-01-01,4.0\n1900-01-01,1.0\n", [4, 8]),
        ("sh600000_qfq_factor.csv", "date,qfq_factor\n2024-05-28,1.0\n2024-01-01,2.0\n1900-01-01,4.0\n", [0.5, 1]),
        ("adjust_factor.csv", "code,dividOperateDate,backAdjustFactor\nsh.600000,2024-05-28,8.0\n", [1, 8]),
        ("adj_factor.csv", "ts_code,trade_date,adj_factor\n600000.SH,20240528,8\n600000.SH,20240527,4\n", [4, 8]),
    ],
)
def test_factors_in_a_file_beside_raw_prices_are_joined(
    tmp_path: Path, name: str, factors: str, expected: list[float]
) -> None:
    (tmp_path / name).write_text(factors)
    text = "date,open,high,low,close,volume,amount\n2024-05-27,8,8,8,8,100,800\n2024-05-28,4,4,4,4,100,400\n"
    batch = read(tmp_path, "sh600000.csv", text.encode())
    assert batch.bars["factor"].to_list() == expected
    assert batch.bars["close"].to_list() == [8 * expected[0], 4 * expected[1]]
    assert batch.bars["volume"].to_list() == [100 / expected[0], 100 / expected[1]]
    assert f"factors read from 1 file ({name})" in batch.notes


def test_factors_of_other_symbols_are_reported(tmp_path: Path) -> None:
    (tmp_path / "adj_factor.csv").write_text("ts_code,trade_date,adj_factor\n600001.SH,20240527,8\n")
    batch = read(tmp_path, "sh600000.csv", b"date,open,high,low,close,volume,amount\n2024-05-27,8,8,8,8,100,800\n")
    assert batch.bars["factor"].to_list() == [1]
    assert "the files of factors name none of these symbols: factor 1" in batch.notes


def test_additive_prices_are_refused_by_name_where_they_show(tmp_path: Path) -> None:
    text = "600000 浦发银行 日线 前复权\n日期,开盘,最高,最低,收盘,成交量,成交额\n{}\n"
    shown = text.format("2024-05-27,5,5.1,4.9,5,1000,8000").encode("gbk")
    with pytest.raises(DataError, match=r"600000.txt: prices are 前复权 .* outside of what was paid"):
        read(tmp_path, "600000.txt", shown)
    fine = text.format("2024-05-27,8,8.1,7.9,8,1000,8000").encode("gbk")
    assert any("prices are adjusted" in note for note in read(tmp_path, "600000.txt", fine).notes)


def test_a_suspended_row_keeps_its_mark(tmp_path: Path) -> None:
    text = "date,code,open,high,low,close,volume,amount,adjustflag,tradestatus\n2024-05-27,sh.600000,8,8,8,8,,,3,0\n"
    text += "2024-05-28,sh.600000,8,8,8,8,100,800,3,1\n"
    batch = read(tmp_path, "k.csv", text.encode())
    assert batch.paused.rows() == [("SH600000", date(2024, 5, 27))]
    assert len(batch.bars) == 2


@pytest.mark.parametrize(
    ("closes", "symbol"), [(("5999.1", "6001.2"), "SH000852"), (("8.1", "8.2"), "SZ000852"), (("500", "510"), None)]
)
def test_a_code_of_an_index_and_a_share_is_decided_by_its_prices(
    tmp_path: Path, closes: tuple[str, str], symbol: str | None
) -> None:
    rows = [f"2024-05-{27 + place},{close},{close},{close},{close},100" for place, close in enumerate(closes)]
    content = "\n".join(["date,open,high,low,close,volume", *rows]).encode()
    if symbol is None:
        with pytest.raises(DataError, match=r"000852 is the share SZ000852 and the index SH000852"):
            read(tmp_path, "000852.csv", content)
    else:
        batch = read(tmp_path, "000852.csv", content)
        assert batch.bars["symbol"].unique().to_list() == [symbol]
        assert any("read as" in note for note in batch.notes)


def test_a_day_that_may_be_two_is_asked_for(tmp_path: Path) -> None:
    content = b"date,open,high,low,close\n05/06/2024,1,1,1,1\n06/06/2024,1,1,1,1\n"
    with pytest.raises(DataError, match=r"column date: '05/06/2024' may be of two days"):
        read(tmp_path, "A.csv", content)
    assert read(tmp_path, "A.csv", content, day_first=True).sessions == [date(2024, 6, 5), date(2024, 6, 6)]


def test_options_go_before_what_the_file_says(tmp_path: Path) -> None:
    content = "日期,开盘,最高,最低,收盘,成交量,成交额\n2024-05-27,8,8,8,8,100,800\n".encode()
    batch = read(tmp_path, "600000.csv", content, volume_unit="lots", amount_unit="thousand")
    assert batch.bars.select("volume", "amount").row(0) == (10_000, 800_000)


@pytest.mark.parametrize("levels", [("Price", "Ticker"), ("Ticker", "Price")])
def test_a_frame_of_two_levels_of_columns_gives_the_bars_of_its_symbols(
    tmp_path: Path, levels: tuple[str, str]
) -> None:
    names = pd.MultiIndex.from_product([["Close", "High", "Low", "Open", "Volume"], ["AAPL", "MSFT"]])
    days = pd.DatetimeIndex(["2024-05-28"], name="Date")
    frame = pd.DataFrame([[190.5, 425, 191, 426, 189, 419, 190, None, 1000, 500]], days, names)
    frame.columns.names = ["Price", "Ticker"]
    frame = frame.reorder_levels(levels, axis=1)
    frame.reset_index().pipe(pl.from_pandas).write_parquet(tmp_path / "prices.parquet")
    for source in (frame, tmp_path / "prices.parquet"):
        batch = read_tables(source)
        bars = batch.bars.sort("symbol").select("symbol", "date", *PRICES, "volume").rows()
        assert bars[0] == ("AAPL", date(2024, 5, 28), 190, 191, 189, 190.5, 1000)
        assert bars[1] == ("MSFT", date(2024, 5, 28), None, 426, 419, 425, 500)
        assert dict(batch.options)["dialect"] == "yfinance_download"


def test_codes_that_a_frame_holds_as_numbers_have_their_zeros() -> None:
    prices = {name: [8.0, 8.0] for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame({"code": [600000.0, 1.0], "date": [20240527, 20240527], **prices})
    assert read_tables(frame).bars["symbol"].to_list() == ["SH600000", "SZ000001"]
