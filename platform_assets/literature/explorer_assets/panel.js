/* Everything beside the map, as plain elements: search, details of a node, where to start, and the list. */
"use strict";

/** Make an element; text is always set as text, so no title can become markup. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function describe(node) {
  if (node.type === "pubmed" || node.type === "clinical_trial") {
    const facts = [KINDS[node.type].one, node.date || "no date", node.journal?.name].filter(Boolean);
    return `${node.name} (${facts.join(", ")})`;
  }
  const trials = node.publications.filter((publication) => publication.type === "clinical_trial").length;
  return `${node.name}: ${KINDS[node.type].one}, ${count(node.publications.length - trials, "pubmed")}, ${count(trials, "clinical_trial")}`;
}

/** A combobox as in the ARIA practices: arrows walk through what was found, Enter opens, Escape clears. */
function drugInWords(node) {
  return `drug ${node.code}` + (node.synonyms.length ? `, also called ${node.synonyms.join(", ")}` : "");
}

class Search {
  constructor(input, list, nothing, model, on) {
    Object.assign(this, { input, list, nothing, model, on, found: [], at: -1 });
    input.addEventListener("input", () => this.suggest());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  suggest() {
    this.found = this.model.search(this.input.value, 12);
    this.at = this.found.length ? 0 : -1;
    this.list.replaceChildren(
      ...this.found.map((node, index) => {
        const facts = node.type === "drug" ? drugInWords(node) : KINDS[node.type].one;
        const row = element("li", { id: `found-${index}`, role: "option" }, node.name, element("small", {}, facts));
        row.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          this.choose(node);
        });
        return row;
      }),
    );
    this.mark();
    const asked = this.input.value.trim() !== "";
    this.nothing.hidden = !asked || this.found.length > 0;
    if (asked) this.on.announce(this.found.length ? `${this.found.length} found` : "Nothing found");
  }

  mark() {
    const open = this.found.length > 0;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    [...this.list.children].forEach((row, index) => row.setAttribute("aria-selected", String(index === this.at)));
    if (open) {
      this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
      this.list.children[this.at].scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && this.found.length) {
      this.at = (this.at + steps[event.key] + this.found.length) % this.found.length;
      this.mark();
    } else if (event.key === "Enter" && this.found.length) this.choose(this.found[this.at]);
    else if (event.key === "Escape") {
      this.input.value = "";
      this.close();
    } else return;
    event.preventDefault();
  }

  choose(node) {
    this.input.value = "";
    this.close();
    this.on.open(node);
  }

  close() {
    this.found = [];
    this.nothing.hidden = true;
    this.mark();
  }
}

/** The side's lower half: about one node, or where to start. */
class Details {
  constructor(place, model, on) {
    Object.assign(this, { place, model, on });
  }

  entry(node, fact) {
    const button = element("button", { type: "button", className: "entry" }, node.name);
    if (fact) button.append(element("small", {}, fact));
    button.addEventListener("click", () => this.on.open(node));
    return element("li", {}, button);
  }

  /** A heading and a list of [node, fact]; long lists open on demand. */
  group(title, entries, first = 25) {
    if (!entries.length) return [];
    const list = element("ul", { className: "entries" });
    const add = (some) => list.append(...some.map(([node, fact]) => this.entry(node, fact)));
    add(entries.slice(0, first));
    const parts = [element("h3", {}, title), list];
    if (entries.length > first) {
      const more = element("button", { type: "button" }, `Show ${Math.min(500, entries.length - first)} more`);
      let until = first;
      more.addEventListener("click", () => {
        const next = list.children.length;
        add(entries.slice(until, until + 500));
        until += 500;
        list.children[next].firstChild.focus();
        if (until >= entries.length) more.remove();
        else more.textContent = `Show ${Math.min(500, entries.length - until)} more`;
      });
      parts.push(more);
    }
    return parts;
  }

  start() {
    const { model } = this;
    const drugs = model.shown(model.drugs).sort(bySize).slice(0, 8);
    const journals = model
      .shown(model.journals)
      .map((journal) => [journal, model.drugsOf(journal).size])
      .filter(([, drugsTold]) => drugsTold > 0)
      .sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
    const least = journals[Math.min(7, journals.length - 1)]?.[1] ?? 0;
    this.place.replaceChildren(
      element("h2", {}, "Where to start"),
      ...this.group("Drugs named most often", drugs.map((drug) => [drug, String(drug.publications.length)])),
      ...this.group(
        "Journals with the most different drugs",
        journals.filter(([, drugsTold]) => drugsTold >= least).map(([journal, drugsTold]) => [journal, count(drugsTold, "drug")]),
        8,
      ),
    );
  }

  about(node) {
    const back = element("button", { type: "button", id: "back" }, "← Back to everything");
    back.addEventListener("click", () => this.on.leave());
    const heading = element("h2", { tabIndex: -1 }, node.name);
    const parts = node.publications ? this.aboutHub(node) : this.aboutPublication(node);
    this.place.replaceChildren(heading, ...parts, back);
  }

  aboutPublication(node) {
    const facts = `${KINDS[node.type].one} ${node.code}, ${node.date || "no date"}`;
    const filtered = node.shown ? "" : " — hidden by the choices above";
    return [
      element("p", { className: "facts" }, facts + filtered),
      ...this.group("Journal", node.journal ? [[node.journal]] : []),
      ...this.group("Drugs in its title", node.drugs.map((drug) => [drug, drug.code])),
    ];
  }

  aboutHub(node) {
    const isDrug = node.type === "drug";
    const byDate = [...node.publications].sort((a, b) => (a.date > b.date ? -1 : a.date < b.date ? 1 : compare(a, b)));
    const of = (type) => byDate.filter((publication) => publication.type === type).map((one) => [one, one.date]);
    const ends = isDrug ? this.model.journalsOf(node) : this.model.drugsOf(node);
    const weight = (end) => node.publications.filter((one) => one.journal === end || one.drugs.includes(end)).length;
    const others = [...ends].map((end) => [end, weight(end)]).sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
    const related = isDrug ? [...this.model.relatedDrugs(node)].sort((a, b) => b[1].length - a[1].length || compare(a[0], b[0])) : [];
    return [
      element("p", { className: "facts" }, (isDrug ? drugInWords(node) : "journal") + (node.publications.length ? "" : ", no mention")),
      ...this.group(`${isDrug ? "Journals" : "Drugs"} (${others.length})`, others.map(([end, times]) => [end, String(times)])),
      ...this.group(`PubMed publications (${of("pubmed").length})`, of("pubmed")),
      ...this.group(`Clinical trials (${of("clinical_trial").length})`, of("clinical_trial")),
      ...this.group(
        `Other drugs of these journals, in PubMed but not in trials (${related.length})`,
        related.map(([drug, journals]) => [drug, count(journals.length, "journal")]),
      ),
    ];
  }
}

/** All nodes that are shown, as a table: the map for those who read or hear rather than see. */
class List {
  constructor(place, on) {
    Object.assign(this, { place, on, sort: "links", down: true, page: 0, perPage: 100 });
    this.columns = [
      ["kind", "Kind", (node) => KINDS[node.type].one],
      ["name", "Name or title", (node) => node.name],
      ["journal", "Journal", (node) => node.journal?.name ?? ""],
      ["date", "Date", (node) => node.date ?? ""],
      ["links", "Links", (node) => node.publications?.length ?? node.drugs.length],
    ];
  }

  show(nodes, about) {
    const [, , value] = this.columns.find(([key]) => key === this.sort);
    const direction = this.down ? -1 : 1;
    const sorted = [...nodes].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * direction || compare(a, b);
    });
    const pages = Math.max(1, Math.ceil(sorted.length / this.perPage));
    this.page = Math.min(this.page, pages - 1);
    const again = () => this.show(nodes, about);
    const head = this.columns.map(([key, label]) => {
      const mark = key === this.sort ? (this.down ? " ↓" : " ↑") : "";
      const button = element("button", { type: "button" }, label + mark);
      button.addEventListener("click", () => {
        this.down = key === this.sort ? !this.down : key === "links" || key === "date";
        this.sort = key;
        this.page = 0;
        again();
        this.place.querySelector(`th[data-key="${key}"] button`).focus();
      });
      const order = key === this.sort ? (this.down ? "descending" : "ascending") : "none";
      return element("th", { scope: "col", "aria-sort": order, "data-key": key, className: key === "links" ? "number" : "" }, button);
    });
    const rows = sorted.slice(this.page * this.perPage, (this.page + 1) * this.perPage).map((node) => {
      const open = element("button", { type: "button", className: "entry" }, node.name);
      open.addEventListener("click", () => this.on.open(node));
      const cells = this.columns.map(([key, , read]) =>
        element("td", { className: key === "links" ? "number" : "" }, key === "name" ? open : String(read(node))),
      );
      return element("tr", {}, ...cells);
    });
    this.place.replaceChildren(
      element("table", {}, element("caption", {}, `${about}. Links are publications of a drug or journal, and drugs of a publication.`), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
      ...(pages > 1 ? [this.pager(pages, again)] : []),
    );
  }

  pager(pages, again) {
    const turn = (label, page) => {
      const button = element("button", { type: "button", disabled: page < 0 || page >= pages }, label);
      button.addEventListener("click", () => {
        this.page = page;
        again();
        this.place.scrollTop = 0;
        this.on.announce(`Page ${page + 1} of ${pages}`);
        this.place.querySelector(".pages button:not(:disabled)").focus();
      });
      return button;
    };
    return element(
      "div",
      { className: "pages" },
      turn("Previous", this.page - 1),
      element("span", {}, `Page ${this.page + 1} of ${pages}`),
      turn("Next", this.page + 1),
    );
  }
}
