/* Draws the charts of a page, and sorts and filters its tables. Every text is set as text, never as HTML.

   A chart is a div.chart, hidden, followed by its numbers as JSON and by a still picture, which is hidden on the screen
   once the chart is drawn. A table is a div.table with data-sortable; where it shows a part of its rows, all of them
   follow as JSON. The numbers are those of kronos_quant/charts/interactive.py. */
(function () {
  "use strict";

  const NARROW = 620;
  const MORE = 100;
  const RANGES = [["all", 0], ["5 years", 60], ["3 years", 36], ["1 year", 12], ["6 months", 6], ["1 month", 1]];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  /* Numbers as the tables of the page write them. */
  function shown(value, unit) {
    if (value === null || value === undefined || Number.isNaN(value)) return "-";
    if (unit === "percent") return (value * 100).toFixed(2) + "%";
    if (unit === "count") return grouped(value, Number.isInteger(value) ? 0 : 1);
    if (unit === "money") return grouped(value, 0);
    return value.toFixed(2);
  }

  function grouped(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  /* Labels of an axis have as many digits as their numbers need, and no more. */
  function tick(unit) {
    return function (value) {
      if (unit === "percent") return String(Number((value * 100).toPrecision(4))) + "%";
      if (unit !== "money" || Math.abs(value) < 1e4) return grouped(value, 0) === String(value) ? String(value) : String(Number(value.toPrecision(4)));
      const [step, name] = Math.abs(value) >= 1e9 ? [1e9, "bn"] : Math.abs(value) >= 1e6 ? [1e6, "m"] : [1e3, "k"];
      return String(Number((value / step).toPrecision(4))) + name;
    };
  }

  function tooltip(spec, units) {
    return function (hovered) {
      const box = element("div");
      box.append(element("b", spec.places[hovered[0].dataIndex]));
      for (const one of hovered) {
        const line = element("div");
        const mark = element("span", "\u25CF ");
        mark.style.color = one.color;
        line.append(mark, one.seriesName + ": " + shown(one.value, units[one.seriesIndex]));
        box.append(line);
      }
      return box;
    };
  }

  /* How many lines the names of a panel's curves need. */
  function legendLines(panel, width) {
    let lines = 1, used = 0;
    for (const curve of panel.curves) {
      const wide = curve.name.length * 6.6 + 48;
      if (used && used + wide > width) { lines += 1; used = 0; }
      used += wide;
    }
    return lines;
  }

  function seriesOf(curve, panel, number, spec) {
    const hue = colour(curve.hue);
    const common = {
      name: curve.name, data: curve.values, xAxisIndex: number, yAxisIndex: number, itemStyle: { color: hue },
      animation: false, emphasis: { disabled: true },
    };
    if (curve.shape === "bar") return { ...common, type: "bar", barCategoryGap: spec.sideways ? "30%" : "6%" };
    return {
      ...common, type: "line", symbol: "circle", symbolSize: 5, showSymbol: spec.places.length < 4,
      step: curve.shape === "step" ? "end" : false, sampling: "lttb", connectNulls: false,
      lineStyle: { color: hue, width: curve.width, type: curve.dash },
      areaStyle: curve.shape === "area" ? { color: hue, opacity: 0.2 } : undefined,
    };
  }

  /* Options of ECharts, and the height that they need. */
  function optionsOf(spec, width) {
    const ink = colour("ink"), grid = colour("grid"), paper = colour("paper");
    const narrow = width < NARROW;
    const left = spec.sideways ? 96 : 58, right = 14;
    const made = { title: [], legend: [], grid: [], xAxis: [], yAxis: [], series: [] }, units = [];
    let top = 3;
    spec.panels.forEach(function (panel, number) {
      const last = number === spec.panels.length - 1;
      const height = narrow ? Math.round(panel.height * 0.8) : panel.height;
      made.title.push({ text: panel.title, left: 0, top: top, padding: 0, textStyle: { color: ink, fontSize: 13, fontWeight: 600,
        width: width, overflow: "truncate" } });
      top += 20;
      if (panel.curves.length > 1) {
        made.legend.push({ data: panel.curves.map((curve) => curve.name), left: 0, top: top, padding: [2, 0],
          itemGap: 12, itemWidth: 22, itemHeight: 9, textStyle: { color: ink, fontSize: 12 },
          inactiveColor: colour("line") });
        top += 20 * legendLines(panel, width);
      }
      top += 10;
      made.grid.push({ left: left, right: right, top: top, height: height });
      const bars = panel.curves.some((curve) => curve.shape === "bar");
      const places = {
        type: "category", data: spec.places, gridIndex: number, boundaryGap: bars, inverse: spec.sideways,
        axisLine: { onZero: false, lineStyle: { color: ink } }, axisTick: { show: false },
        axisLabel: { show: last, color: ink, fontSize: 11, hideOverlap: true, interval: spec.sideways ? 0 : "auto",
          width: spec.sideways ? left - 10 : undefined, overflow: "truncate" },
        axisPointer: { show: !spec.sideways, label: { show: false } },
      };
      const values = {
        type: "value", gridIndex: number, scale: !panel.from_zero, splitNumber: height < 160 ? 3 : 5,
        axisLabel: { color: ink, fontSize: 11, formatter: tick(panel.unit), hideOverlap: true },
        splitLine: { lineStyle: { color: grid } },
      };
      made.xAxis.push(spec.sideways ? values : places);
      made.yAxis.push(spec.sideways ? places : values);
      for (const curve of panel.curves) {
        made.series.push(seriesOf(curve, panel, number, spec));
        units.push(panel.unit);
      }
      top += height + (last ? 26 : 18);
    });
    if (spec.zoomed) {
      const all = spec.panels.map((_, number) => number);
      made.dataZoom = [{ type: "slider", xAxisIndex: all, left: left, right: right, top: top, height: 16,
        showDetail: false, showDataShadow: false, brushSelect: false, borderColor: grid,
        fillerColor: "rgba(120,140,160,0.25)", handleStyle: { color: ink }, moveHandleSize: 0 }];
      // a finger that moves over a chart scrolls the page; the slider and the buttons choose the range
      if (matchMedia("(pointer: fine)").matches) {
        made.dataZoom.push({ type: "inside", xAxisIndex: all, zoomOnMouseWheel: "ctrl", moveOnMouseMove: true });
      }
      top += 22;
    }
    made.axisPointer = { link: [{ xAxisIndex: "all" }] };
    made.tooltip = { trigger: "axis", confine: true, formatter: tooltip(spec, units), backgroundColor: paper,
      borderColor: grid, textStyle: { color: ink, fontSize: 12 }, transitionDuration: 0,
      axisPointer: { type: spec.sideways ? "shadow" : "line" } };
    return [made, top];
  }

  /* Buttons for the newest months, which the keyboard reaches too; a range moves all charts of the page together. */
  function rangeButtons(spec, chart) {
    const row = element("div", "", "ranges");
    const last = spec.places[spec.places.length - 1];
    for (const [name, months] of RANGES) {
      let first = 0;
      if (months) {
        const from = new Date(last.slice(0, 10) + "T00:00:00Z");
        from.setUTCMonth(from.getUTCMonth() - months);
        const text = from.toISOString().slice(0, 10);
        first = spec.places.findIndex((place) => place > text);
        if (first <= 0 || spec.places.length - first < 2) continue;
      }
      const button = element("button", name);
      button.type = "button";
      button.addEventListener("click", function () {
        chart().dispatchAction({ type: "dataZoom", startValue: first, endValue: spec.places.length - 1 });
      });
      row.append(button);
    }
    return row.children.length > 1 ? row : null;
  }

  function drawChart(place) {
    const spec = JSON.parse(place.nextElementSibling.textContent);
    let chart = null, drawnAt = 0;
    function draw() {
      const width = place.clientWidth;
      const [options, height] = optionsOf(spec, width);
      place.style.height = height + "px";
      if (chart) chart.dispose();
      chart = echarts.init(place, null, { renderer: "svg", width: width, height: height });
      if (spec.zoomed) chart.group = "sessions";
      chart.setOption(options);
      drawnAt = width;
    }
    place.hidden = false;
    try {
      draw();
    } catch (error) {
      place.hidden = true;
      throw error;
    }
    place.parentElement.classList.add("drawn");
    const buttons = spec.zoomed && rangeButtons(spec, () => chart);
    if (buttons) place.before(buttons);
    new ResizeObserver(function () {
      if (Math.abs(place.clientWidth - drawnAt) > 2 && place.clientWidth > 0) draw();
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }

  /* A cell for sorting: a number where it is one; a dash and nothing come last in both directions. */
  function sortKey(text) {
    if (text === "" || text === "-") return null;
    const number = Number(text.replace(/[,%+]/g, ""));
    return Number.isNaN(number) ? text : number;
  }

  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one) < String(other) ? -1 : String(one) > String(other) ? 1 : 0;
  }

  function enhanceTable(box) {
    const table = box.querySelector("table"), body = table.tBodies[0];
    const data = box.querySelector("script");
    const heads = [...table.tHead.rows[0].cells];
    const names = heads.map((head) => head.textContent);
    const words = heads.map((head) => head.classList.contains("words"));
    // a row that stands in the page keeps its colours; the others are made when they are first shown
    const standing = [...body.rows].map((line) => ({ cells: [...line.cells].map((cell) => cell.textContent), line }));
    const rows = data ? JSON.parse(data.textContent).map((cells) => ({ cells, line: null })) : standing;
    const first = Number(box.dataset.shown) || rows.length;
    let limit = first, sorted = null, descending = false;
    const wanted = new Map();
    const status = element("p", "", "status");
    status.setAttribute("aria-live", "polite");
    const more = element("button", "Show more", "more");
    more.type = "button";

    function matching() {
      let found = rows;
      for (const [column, accepts] of wanted) found = found.filter((row) => accepts(row.cells[column]));
      if (sorted === null) return found;
      const keyed = found.map((row) => [sortKey(row.cells[sorted]), row]);
      keyed.sort(function ([one], [other]) {
        if (one === null || other === null) return (one === null) - (other === null);
        return descending ? compare(other, one) : compare(one, other);
      });
      return keyed.map(([, row]) => row);
    }

    function lineOf(cells) {
      const line = element("tr");
      cells.forEach((text, column) => line.append(element("td", text, words[column] ? "words" : "")));
      return line;
    }

    function fill() {
      const found = matching();
      body.replaceChildren(...found.slice(0, limit).map(function (row) {
        row.line = row.line || lineOf(row.cells);
        return row.line;
      }));
      more.hidden = found.length <= limit;
      const count = Math.min(limit, found.length).toLocaleString("en-US");
      const of = found.length.toLocaleString("en-US");
      status.textContent = first < rows.length || wanted.size ? count + " of " + of + " rows shown" : "";
    }

    heads.forEach(function (head, column) {
      const button = element("button", names[column], "sort");
      button.type = "button";
      button.addEventListener("click", function () {
        descending = sorted === column ? !descending : !words[column];
        sorted = column;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        fill();
      });
      head.replaceChildren(button);
    });

    const filters = JSON.parse(box.dataset.filters);
    if (filters.length) {
      const row = element("div", "", "filters");
      for (const [name, kind] of filters) row.append(filter(names.indexOf(name), name, kind));
      box.prepend(row);
    }

    function filter(column, name, kind) {
      const label = element("label", name + " ");
      const input = element(kind === "choice" ? "select" : "input");
      if (kind === "choice") {
        input.append(new Option("all", ""));
        const values = [...new Set(rows.map((row) => row.cells[column]))].sort();
        for (const value of values) if (value) input.append(new Option(value, value));
      } else {
        input.type = "search";
      }
      input.addEventListener("input", function () {
        const text = input.value.trim().toLowerCase();
        if (!text) wanted.delete(column);
        else if (kind === "choice") wanted.set(column, (cell) => cell.toLowerCase() === text);
        else wanted.set(column, (cell) => cell.toLowerCase().includes(text));
        limit = first;
        fill();
      });
      label.append(input);
      return label;
    }

    more.addEventListener("click", function () {
      limit += MORE;
      fill();
    });
    box.append(status, more);
    if (first < rows.length || filters.length) fill();
    else more.hidden = true;
  }

  const charts = [...document.querySelectorAll(".chart")];
  charts.forEach(drawChart);
  if (charts.length) echarts.connect("sessions");
  document.querySelectorAll("[data-sortable]").forEach(enhanceTable);
})();
