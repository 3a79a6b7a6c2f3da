"use strict";
(() => {
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const charts = {};

  const fail = (element, error) => {
    element.textContent = "This chart could not be drawn: " + error;
    element.dataset.state = "failed";
    console.error(error);
  };

  const narrow = window.matchMedia("(max-width: 560px)").matches;

  // A finger that scrolls the page must not get caught in a chart, nor dates run into each other.
  const fit = (doc) => {
    for (const model of doc._all_models.values()) {
      if (coarse && model.type === "PanTool") model.active = false;
      if (narrow && model.type === "DatetimeTicker") model.desired_num_ticks = 3;
    }
  };

  const draw = async (element) => {
    const name = element.dataset.plot;
    const item = JSON.parse(document.getElementById("data-" + name).textContent);
    await Bokeh.embed.embed_item(item, element.id);
    const doc = Bokeh.documents.find((d) => d.get_model_by_id(item.root_id));
    charts[name] = { doc, root: doc.get_model_by_id(item.root_id) };
    fit(doc);
    element.dataset.state = "drawn";
  };

  const legend = () => {
    const figures = charts.equity ? charts.equity.root.children : [];
    for (const button of document.querySelectorAll("[data-for=equity] [data-series]")) {
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        for (const figure of figures) {
          for (const renderer of figure.renderers) {
            if (renderer.name === button.dataset.series) renderer.visible = shown;
          }
        }
      });
    }
  };

  const prices = () => {
    if (!charts.prices) return;
    const { doc, root: figure } = charts.prices;
    const shown = ["bars", "fills", "legs"].map((name) => doc.get_model_by_name(name));
    const copy = (source) => Object.assign({}, source.data);
    const bodies = (columns) => {
      const { open, close } = columns[0];
      columns[0].middle = Float32Array.from(close, (c, i) => (c + open[i]) / 2);
      columns[0].height = Float32Array.from(close, (c, i) => Math.abs(c - open[i]));
      return columns;
    };
    const unpack = (set) => {
      const columns = set.map(copy);
      let at = 0;
      columns[0].x = Float64Array.from(columns[0].x, (step) => (at += step));
      return bodies(columns);
    };
    const sets = [bodies(shown.map(copy)), ...figure.tags.map(unpack)];
    let x = [];

    const zoom = (days) => {
      if (!x.length) return;
      const last = x[x.length - 1];
      const first = days ? Math.max(x[0], last - days * 86400000) : x[0];
      const edge = Math.max((last - first) * 0.02, 43200000);
      const ends = { start: first - edge, end: last + edge };
      if (!days) Object.assign(ends, { reset_start: ends.start, reset_end: ends.end });
      figure.x_range.setv(ends);
    };

    const CANDLES = 400;
    let candles = false;
    const dress = () => {
      const step = x.length > 1 ? (x[x.length - 1] - x[0]) / (x.length - 1) : 86400000;
      const near = candles && (figure.x_range.end - figure.x_range.start) / step <= CANDLES;
      for (const renderer of figure.renderers) {
        if (renderer.name === "candles" && renderer.visible !== near) renderer.visible = near;
        if (renderer.name === "closes" && renderer.visible === near) renderer.visible = !near;
      }
    };
    figure.x_range.change.connect(dress);

    const show = (index) => {
      const set = sets[index];
      shown.forEach((source, i) => { source.selected.indices = []; source.data = set[i]; });
      x = set[0].x;
      candles = Array.prototype.some.call(set[0].width, (width) => width > 0);
      zoom(0);
      dress();
    };

    const list = document.getElementById("symbol");
    list.addEventListener("change", () => show(Number(list.value)));
    for (const button of document.querySelectorAll("[data-days]")) {
      button.addEventListener("click", () => zoom(Number(button.dataset.days)));
    }
    const fills = shown[1];
    fills.selected.properties.indices.change.connect(() => {
      const at = fills.selected.indices[0];
      const row = at === undefined ? null : document.getElementById("trade-" + fills.data.trade[at]);
      if (row) location.hash = row.id;
    });
    // A reload may bring back the reader's last choice.
    show(Number(list.value));
  };

  const start = async () => {
    for (const element of document.querySelectorAll("[data-plot]")) {
      try {
        await draw(element);
      } catch (error) {
        fail(element, error);
      }
    }
    try {
      legend();
      prices();
    } catch (error) {
      console.error(error);
    }
    document.documentElement.dataset.ready = "yes";
  };

  start();
})();
