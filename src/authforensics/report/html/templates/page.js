"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(inflate(byId("figures").textContent));
  if (data.systems.length) {
    const plotly = document.createElement("script");
    plotly.textContent = inflate(byId("plotly").textContent);
    document.head.append(plotly);
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)");
  const drawn = new Set();

  // Colours of the scheme, read from the style sheet so that they are written down once.
  const paint = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = { ...layout.hoverlabel?.font, color: colour("--ink"), family: colour("--mono") };
    return {
      font: { ...layout.font, color: colour("--ink") },
      hoverlabel: { ...layout.hoverlabel, bgcolor: colour("--raised"), bordercolor: colour("--quiet"), font },
      dragmode: coarse.matches ? false : "zoom",
    };
  };
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: false,
    doubleClick: "reset",
    showTips: false,
  };

  const draw = (element, figure) => {
    if (!figure.data.length) {
      drawn.delete(element);
      Plotly.purge(element);
      element.textContent = "Nothing to draw.";
      return Promise.resolve();
    }
    if (element.firstChild?.nodeType === Node.TEXT_NODE) element.replaceChildren();
    const copy = structuredClone(figure);
    return Plotly.react(element, copy.data, { ...copy.layout, ...paint(copy.layout) }, config).then(() => drawn.add(element));
  };
  const recolour = () => drawn.forEach((element) => Plotly.relayout(element, paint(element.layout)));
  dark.addEventListener("change", recolour);
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    charts.filter((element) => !drawn.has(element)).forEach(chart);
    recolour();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    recolour();
  });

  const charts = [...document.querySelectorAll(".plot[data-system]")];
  const chart = (element) => draw(element, data.systems[Number(element.dataset.system)][element.dataset.figure]);
  const near = new IntersectionObserver(
    (entries) =>
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        near.unobserve(entry.target);
        chart(entry.target);
      }),
    { rootMargin: "800px" },
  );
  charts.forEach((element) => near.observe(element));

  // Times in the reader's own zone, on demand.
  document.addEventListener("pointerover", ({ target }) => {
    const element = target.closest?.("time");
    if (!element || element.title) return;
    const at = new Date(element.dateTime);
    if (!Number.isNaN(at.valueOf())) element.title = at.toLocaleString(undefined, { timeZoneName: "short" });
  });

  if (!data.devices.length) return;

  const picker = byId("device");
  const options = [...picker.options];
  const plot = byId("device-plot");
  const several = data.systems.length > 1;
  let shown = -1;

  // Figures carry text escaped for plotly; as plain text it goes into the page by textContent only.
  const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
  const plain = (text) => text.replaceAll("<br>", "").replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]);

  const add = (parent, tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };

  const describe = (parent, request, place, line) => {
    add(parent, "b", "", request);
    add(parent, "span", "place", place);
    add(parent, "code", "log", line);
  };

  const showRequest = (point) => {
    if (point.data.mode !== "markers") return;
    const [reason, request, place, line] = point.customdata.map(plain);
    const panel = byId("request");
    panel.replaceChildren();
    add(panel, "span", "what", `${plain(point.data.name)}${reason}, ${point.x} UTC`);
    describe(panel, request, place, line);
    panel.hidden = false;
  };

  const rows = () => {
    const body = byId("request-rows");
    body.replaceChildren();
    if (!byId("requests").open || shown < 0) return;
    const marks = data.devices[shown].figure.data
      .filter((trace) => trace.mode === "markers")
      .flatMap((trace) => trace.x.map((at, n) => [at, plain(trace.name), ...trace.customdata[n].map(plain)]))
      .sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : 0));
    for (const [at, event, reason, request, place, line] of marks) {
      const row = add(body, "tr");
      add(row, "td", "when", at);
      add(row, "td", "what", event + reason);
      describe(add(row, "td"), request, place, line);
    }
  };

  const hash = (entry) => {
    const where = new URLSearchParams({ device: entry.device });
    if (several) where.set("system", entry.system);
    return `#${where}`;
  };

  const pick = (index, remember) => {
    if (index < 0 || index >= data.devices.length || index === shown) return Promise.resolve();
    const entry = data.devices[index];
    shown = index;
    picker.value = String(index);
    byId("picked").textContent = several ? `${entry.device} (${entry.system})` : entry.device;
    byId("omitted").textContent = entry.omitted ? `${entry.omitted.toLocaleString("en")} requests thinned out` : "";
    byId("request").hidden = true;
    rows();
    if (remember) history.replaceState(null, "", hash(entry));
    return draw(plot, entry.figure).then(() => {
      if (!drawn.has(plot)) return;
      plot.removeAllListeners("plotly_hover");
      plot.removeAllListeners("plotly_click");
      plot.on("plotly_hover", (event) => showRequest(event.points[0]));
      plot.on("plotly_click", (event) => showRequest(event.points[0]));
    });
  };

  const narrow = () => {
    const text = byId("search").value.trim().toLowerCase();
    const severity = byId("severity").value;
    const fits = options.filter(
      (option) =>
        (!severity || option.dataset.severity === severity) &&
        (!text || `${option.title} ${option.textContent}`.toLowerCase().includes(text)),
    );
    picker.replaceChildren(...fits);
    byId("found").textContent = fits.length < options.length ? `${fits.length} of ${options.length}` : "";
    return fits;
  };

  const filter = () => {
    const fits = narrow();
    if (fits.some((option) => option.value === String(shown))) picker.value = String(shown);
    else if (fits.length) pick(Number(fits[0].value), true);
  };

  const move = (by) => {
    const fits = [...picker.options];
    if (!fits.length) return;
    const at = fits.findIndex((option) => option.value === String(shown));
    pick(Number(fits[(at + by + fits.length) % fits.length].value), true);
  };

  const follow = () => {
    const where = new URLSearchParams(location.hash.slice(1));
    if (!where.has("device")) return false;
    const index = data.devices.findIndex(
      (entry) => entry.device === where.get("device") && (!where.has("system") || entry.system === where.get("system")),
    );
    if (index < 0) return false;
    byId("search").value = "";
    byId("severity").value = "";
    narrow();
    pick(index, false);
    byId("timeline").scrollIntoView();
    return true;
  };

  document.querySelector(".picker").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", filter);
  byId("severity").addEventListener("change", filter);
  picker.addEventListener("change", () => pick(Number(picker.value), true));
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  byId("requests").addEventListener("toggle", rows);
  window.addEventListener("hashchange", follow);
  if (!follow()) pick(0, false);
})();
