/* Where nodes are put. A scene is {items, links, bounds, columns}; an item is {node, x, y, r, label, ...}. */
"use strict";

const TITLES_UP_TO = 60; // more publications than this are dots without titles
const ROW = 26; // height of a label and its node
const DOT = 11; // from one dot to the next where publications have no titles
const GAP = 12; // least distance between bubbles
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** Journals on the left, publications in the middle, drugs on the right: reads like the edges do. */
function columnScene(nodes, width, measure) {
  const publications = nodes.filter((node) => node.type === "pubmed" || node.type === "clinical_trial");
  const journals = nodes.filter((node) => node.type === "journal");
  const drugs = nodes.filter((node) => node.type === "drug");
  const titles = publications.length <= TITLES_UP_TO;
  const x = { journal: width * 0.26, publication: width * 0.31, end: width * 0.76, drug: width * 0.82 };

  const groups = new Map(journals.map((journal) => [journal, []]));
  const alone = [];
  for (const publication of publications) (groups.get(publication.journal) ?? alone).push(publication);
  const ordered = [...groups].sort((a, b) => b[1].length - a[1].length || compare(a[0], b[0]));
  if (alone.length) ordered.push([null, alone]);

  const items = [];
  const itemOf = new Map();
  const add = (item) => {
    items.push(item);
    itemOf.set(item.node, item);
    return item;
  };
  const perRow = titles ? 1 : Math.max(10, Math.floor((x.end - x.publication - 40) / DOT));
  const step = titles ? ROW : DOT;
  const blocks = new Map(); // journal -> where links of all its publications together leave from
  let top = 0;
  for (const [journal, group] of ordered) {
    group.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : compare(a, b)));
    const height = Math.max(ROW, Math.ceil(group.length / perRow) * step + (titles ? 0 : ROW - step));
    const middle = top + height / 2;
    group.forEach((publication, index) => {
      const item = add({
        node: publication,
        x: x.publication + (index % perRow) * DOT,
        y: top + ROW / 2 + Math.floor(index / perRow) * step,
        r: titles ? 5 : 4,
      });
      if (titles) {
        item.label = publication.name;
        item.room = x.end - item.x - 14;
        item.side = "right";
        item.out = item.x + 12 + Math.min(item.room, measure(item.label));
      }
    });
    if (journal) {
      add({ node: journal, x: x.journal, y: middle, r: 8, label: journal.name, side: "left", room: x.journal - 24 });
    }
    blocks.set(journal, { x: x.publication + Math.min(perRow, group.length) * DOT, y: middle, group });
    top += height + 6;
  }
  placeDrugs(drugs, { top, x: x.drug, room: width - x.drug - 20, titles, itemOf, blocks, add });

  const links = [];
  for (const publication of titles ? publications : []) {
    const from = itemOf.get(publication);
    const journal = itemOf.get(publication.journal);
    if (journal) links.push({ from: journal, to: from, out: { x: journal.x + journal.r, y: journal.y } });
    for (const drug of publication.drugs) {
      if (itemOf.has(drug)) links.push({ from, to: itemOf.get(drug), out: { x: from.out, y: from.y } });
    }
  }
  for (const [journal, { x, y, group }] of titles ? [] : blocks) {
    for (const [drug, weight] of weightsOf(group)) {
      const to = itemOf.get(drug);
      if (to) links.push({ from: itemOf.get(journal) ?? itemOf.get(group[0]), to, out: { x, y }, weight });
    }
  }
  return { items, links, itemOf, columns: true, width };
}

/** Drugs stand beside the publications that name them, as near as their own labels allow. */
function placeDrugs(drugs, { top, x, room, titles, itemOf, blocks, add }) {
  const wanted = drugs.map((drug) => {
    const placed = drug.publications.filter((publication) => itemOf.has(publication));
    const heights = placed.map((one) => (titles ? itemOf.get(one).y : (blocks.get(one.journal) ?? blocks.get(null)).y));
    const y = heights.length ? heights.reduce((sum, height) => sum + height, 0) / heights.length : Infinity;
    return { drug, y, times: placed.length };
  });
  wanted.sort((a, b) => a.y - b.y || b.times - a.times || compare(a.drug, b.drug));
  const needed = wanted.length * ROW;
  let next = ROW / 2 + Math.min(0, (top - needed) / 2);
  wanted.forEach(({ drug, y, times }, index) => {
    const last = Math.max(top, needed) - (wanted.length - index) * ROW + ROW / 2;
    const at = Math.max(next, Math.min(y, last));
    add({ node: drug, x, y: at, r: 8, label: titles ? drug.name : `${drug.name} · ${times}`, side: "right", room });
    next = at + ROW;
  });
}

/** Each journal a bubble filled with its publications, drugs between the journals that mention them. */
function bubbleScene(nodes, aspect) {
  const items = [];
  const itemOf = new Map();
  const add = (item) => {
    items.push(item);
    itemOf.set(item.node, item);
  };
  const journals = nodes.filter((node) => node.type === "journal").sort(bySize);
  const drugs = nodes.filter((node) => node.type === "drug").sort(bySize);
  const shown = new Set(nodes);
  for (const journal of journals) {
    // By kind, as they come: the share of trials shows as a core of its own.
    const inside = journal.publications.filter((publication) => shown.has(publication));
    add({ node: journal, inside, r: 6 + 5 * Math.sqrt(inside.length || journal.publications.length), label: journal.name });
  }
  for (const drug of drugs) {
    add({ node: drug, r: Math.min(26, 5 + 1.6 * Math.sqrt(drug.publications.length)), label: drug.name });
  }
  const links = pairsOf(journals, itemOf);
  settle(items, links, aspect);
  for (const journal of items.filter((item) => item.node.type === "journal")) {
    journal.inside.forEach((publication, index) => {
      const distance = 5 * Math.sqrt(index + 0.4);
      const angle = index * GOLDEN_ANGLE;
      add({
        node: publication,
        x: journal.x + distance * Math.cos(angle),
        y: journal.y + distance * Math.sin(angle),
        r: 2.6,
      });
    });
  }
  const homeless = nodes.filter((node) => !itemOf.has(node)).sort(compare);
  const reach = items.reduce((far, item) => Math.max(far, Math.hypot(item.x, item.y) + item.r), 0) + 40;
  homeless.forEach((publication, index) => {
    const ring = reach + 10 * Math.floor(index / 360);
    const angle = (index % 360) * (Math.PI / 180);
    add({ node: publication, x: ring * Math.cos(angle), y: ring * Math.sin(angle), r: 2.6 });
  });
  return { items, links, itemOf, columns: false };
}

function bySize(a, b) {
  return b.publications.length - a.publications.length || compare(a, b);
}

/** How many of the publications name each drug. */
function weightsOf(publications) {
  const weights = new Map();
  for (const publication of publications) {
    for (const drug of publication.drugs) weights.set(drug, (weights.get(drug) ?? 0) + 1);
  }
  return weights;
}

/** One link per journal and drug, as heavy as the number of publications behind it. */
function pairsOf(journals, itemOf) {
  const links = [];
  for (const journal of journals) {
    for (const [drug, weight] of weightsOf(journal.publications)) {
      const to = itemOf.get(drug);
      if (to) links.push({ from: itemOf.get(journal), to, weight });
    }
  }
  return links;
}

/** Give every item a place: links pull, neighbours push, none lies on another. Same input, same places. */
function settle(items, links, aspect) {
  const n = items.length;
  if (!n) return;
  const area = items.reduce((sum, item) => sum + (2 * item.r + 26) ** 2, 0);
  const unit = Math.sqrt(area / n);
  items.forEach((item, index) => {
    const distance = unit * 0.8 * Math.sqrt(index + 0.5);
    item.x = distance * Math.cos(index * GOLDEN_ANGLE) * Math.sqrt(aspect);
    item.y = (distance * Math.sin(index * GOLDEN_ANGLE)) / Math.sqrt(aspect);
    item.order = index;
    item.degree = item.dx = item.dy = 0;
  });
  for (const link of links) {
    link.from.degree += 1;
    link.to.degree += 1;
  }
  const rounds = Math.max(80, Math.min(300, Math.round(120000 / n)));
  for (let round = 0; round < rounds; round++) {
    const heat = 1 - round / rounds;
    for (const link of links) pull(link, unit, heat);
    for (const item of items) {
      // A weak pull to the middle, weaker along the longer side of the window.
      item.dx -= (item.x * 0.015 * heat) / aspect;
      item.dy -= item.y * 0.015 * heat * aspect;
    }
    pushApart(items, unit * 2.5, heat);
    step(items);
  }
  // The forces make a round heap; the window is wide, and names need room to the sides.
  for (const item of items) item.x *= Math.max(1, aspect);
  for (let round = 0; round < 40; round++) {
    pushApart(items, 0, 0);
    step(items);
  }
}

function step(items) {
  for (const item of items) {
    item.x += item.dx;
    item.y += item.dy;
    item.dx = item.dy = 0;
  }
}

function pull({ from, to }, unit, heat) {
  const x = to.x - from.x;
  const y = to.y - from.y;
  const length = Math.hypot(x, y) || 1;
  const rest = from.r + to.r + unit * 0.6;
  const strength = (0.35 * heat * (length - rest)) / length / Math.min(from.degree, to.degree);
  const share = from.degree / (from.degree + to.degree);
  from.dx += x * strength * (1 - share);
  from.dy += y * strength * (1 - share);
  to.dx -= x * strength * share;
  to.dy -= y * strength * share;
}

/** Neighbours push each other away; a grid finds them, so that thousands take milliseconds. */
function pushApart(items, range, heat) {
  const size = Math.max(range, 40);
  const cells = new Map();
  const key = (column, row) => column * 65537 + row;
  for (const item of items) {
    const at = key(Math.floor(item.x / size), Math.floor(item.y / size));
    if (!cells.has(at)) cells.set(at, []);
    cells.get(at).push(item);
  }
  for (const item of items) {
    // Each pair is met once, from its larger item; only a large bubble looks further than the next cells.
    const reach = Math.ceil(Math.max(range, 2 * item.r + GAP) / size);
    const column = Math.floor(item.x / size);
    const row = Math.floor(item.y / size);
    for (let c = column - reach; c <= column + reach; c++) {
      for (let r = row - reach; r <= row + reach; r++) {
        const cell = cells.get(key(c, r));
        if (!cell) continue;
        for (const other of cell) {
          if (other.r < item.r || (other.r === item.r && other.order > item.order)) push(item, other, range, heat);
        }
      }
    }
  }
}

function push(item, other, range, heat) {
  let x = other.x - item.x;
  let y = other.y - item.y;
  const apart = item.r + other.r + GAP;
  const far = Math.max(range, apart);
  if (x > far || x < -far || y > far || y < -far) return;
  let length = Math.sqrt(x * x + y * y);
  if (length < 0.01) {
    x = Math.cos(other.order);
    y = Math.sin(other.order);
    length = 1;
  }
  let force = 0;
  if (length < apart) force = (apart - length) * 0.5;
  else if (heat && length < range) force = heat * 0.06 * (range - length);
  if (!force) return;
  // The small one gives way to the large one.
  const share = item.r / (item.r + other.r);
  item.dx -= (x / length) * force * (1 - share);
  item.dy -= (y / length) * force * (1 - share);
  other.dx += (x / length) * force * share;
  other.dy += (y / length) * force * share;
}
