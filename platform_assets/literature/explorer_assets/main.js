/* Puts the parts together. The address keeps the selected node, so that it can be linked to and the back button works. */
"use strict";

const find = (id) => document.getElementById(id);
const model = new Model(JSON.parse(find("graph").textContent));
const state = { selected: null, list: false, width: 0, bubbles: null };

const on = {
  open(node) {
    location.hash = encodeURIComponent(node.id);
  },
  leave() {
    location.hash = "";
  },
  announce(text) {
    find("status").textContent = text;
  },
  around: (node) => model.neighbourhood(node),
  describe,
  resize() {
    if (!state.list && map.width !== state.width) render();
  },
};

const map = new GraphMap(find("pad"), find("tip"), on);
const details = new Details(find("details"), model, on);
const list = new List(find("list"), on);
new Search(find("search"), find("suggestions"), find("nothing"), model, on);

const OVERVIEW_COLUMNS_UP_TO = 60; // this many nodes can be read with all their titles at once

function render() {
  const nodes = state.selected
    ? [...model.neighbourhood(state.selected)].filter((node) => node.shown || node === state.selected)
    : model.shown();
  const about = told(nodes);
  find("shown").textContent = state.selected ? `Around “${state.selected.name}”: ${about}` : about;
  find("map").hidden = state.list;
  find("zoom").hidden = state.list;
  find("list").hidden = !state.list;
  find("view-map").setAttribute("aria-pressed", String(!state.list));
  find("view-list").setAttribute("aria-pressed", String(state.list));
  if (state.list) list.show(nodes, find("shown").textContent);
  else if (map.width) {
    if (map.width !== state.width && state.bubbles) state.bubbles.view = null;
    state.width = map.width;
    map.show(sceneOf(nodes), state.selected);
  }
  return about;
}

function sceneOf(nodes) {
  if (state.selected || nodes.length <= OVERVIEW_COLUMNS_UP_TO) {
    return columnScene(nodes, Math.max(map.width, 640), (text) => map.measure(text));
  }
  // Thousands of nodes take a moment to be placed: once is enough until the filters change.
  state.bubbles ??= bubbleScene(nodes, map.width / map.height);
  return state.bubbles;
}

function told(nodes) {
  const numbers = Object.keys(KINDS)
    .map((type) => [nodes.filter((node) => node.type === type).length, type])
    .filter(([number]) => number > 0);
  return numbers.length ? numbers.map(([number, type]) => count(number, type)).join(", ") : "Nothing to show with these choices";
}

function renderDetails() {
  if (state.selected) details.about(state.selected);
  else details.start();
}

function filtersChanged() {
  const kinds = new Set([...document.querySelectorAll("[data-kind]:checked")].map((box) => box.dataset.kind));
  model.filter({ kinds, from: find("from").value, to: find("to").value, unlinked: find("unlinked").checked });
  list.page = 0;
  state.bubbles = null;
  renderDetails();
  on.announce(render());
}

function nodeInAddress() {
  try {
    return model.byId.get(decodeURIComponent(location.hash.slice(1))) ?? null;
  } catch (error) {
    if (error instanceof URIError) return null; // an address that somebody cut short
    throw error;
  }
}

function selectFromAddress() {
  const node = nodeInAddress();
  const had = state.selected;
  state.selected = node;
  list.page = 0;
  renderDetails();
  const about = render();
  // Whoever walks over the map stays on it; everybody else is taken to what they opened.
  const onMap = document.activeElement === find("pad");
  if (node) {
    if (!onMap) find("details").querySelector("h2").focus();
    on.announce(`${node.name}: ${about}`);
  } else if (had) {
    if (!onMap) find("search").focus();
    on.announce(`Everything: ${about}`);
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  find("theme").setAttribute("aria-pressed", String(theme === "dark"));
  map.draw();
}

function showTotals() {
  const { totals } = model.data;
  const all = Object.keys(KINDS).map((type) => count(totals[type], type)).join(", ");
  const part = totals.pubmed + totals.clinical_trial > model.publications.length
    ? ` — this page holds the ${model.publications.length.toLocaleString("en")} newest publications with a mention; the files beside it hold all`
    : "";
  find("totals").textContent = all + part;
}

for (const box of document.querySelectorAll("#filters input")) box.addEventListener("change", filtersChanged);
find("reset").addEventListener("click", () => {
  for (const box of document.querySelectorAll("[data-kind]")) box.checked = true;
  find("from").value = find("to").value = "";
  find("unlinked").checked = false;
  filtersChanged();
});
find("view-map").addEventListener("click", () => ((state.list = false), render()));
find("view-list").addEventListener("click", () => ((state.list = true), render()));
find("zoom-in").addEventListener("click", () => map.zoom(1.3));
find("zoom-out").addEventListener("click", () => map.zoom(1 / 1.3));
find("zoom-fit").addEventListener("click", () => map.fit());
find("theme").addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.selected && !event.defaultPrevented) on.leave();
});
window.addEventListener("hashchange", selectFromAddress);

if (window.matchMedia("(max-width: 760px)").matches) find("filters").open = false;
setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
showTotals();
selectFromAddress();
