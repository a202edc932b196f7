/* The graph as linked objects, what the filters leave of it, and the questions asked of that. Draws nothing. */
"use strict";

const KINDS = {
  drug: { one: "drug", many: "drugs" },
  journal: { one: "journal", many: "journals" },
  pubmed: { one: "PubMed publication", many: "PubMed publications" },
  clinical_trial: { one: "clinical trial", many: "clinical trials" },
};

function count(number, kind) {
  return `${number.toLocaleString("en")} ${number === 1 ? KINDS[kind].one : KINDS[kind].many}`;
}

/** The spelling that texts are compared in: no case, no accents. */
function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

class Model {
  constructor(data) {
    this.data = data;
    this.drugs = data.drugs.map(([code, name, ...synonyms]) => ({ id: `drug_${code}`, type: "drug", name, code, synonyms, all: [] }));
    this.journals = data.journals.map((name) => ({ id: `journal_${name}`, type: "journal", name, all: [] }));
    this.publications = data.publications.map(([trial, id, title, journal, date, drugs]) => {
      const type = trial ? "clinical_trial" : "pubmed";
      const publication = { id: `${type}_${id}`, type, name: title, code: id, date };
      publication.journal = journal < 0 ? null : this.journals[journal];
      publication.drugs = drugs.map((drug) => this.drugs[drug]);
      for (const node of this.endsOf(publication)) node.all.push(publication);
      return publication;
    });
    this.nodes = [...this.drugs, ...this.journals, ...this.publications];
    for (const node of this.nodes) node.folded = folded(`${node.name} ${(node.synonyms ?? []).join(" ")} ${node.code ?? ""}`);
    this.byId = new Map(this.nodes.map((node) => [node.id, node]));
    this.filter({ kinds: new Set(Object.keys(KINDS)), from: "", to: "", unlinked: false });
  }

  endsOf(publication) {
    return publication.journal ? [publication.journal, ...publication.drugs] : publication.drugs;
  }

  /** Keep what the choices let through: `kinds` to show, dates `from` and `to`, and `unlinked` nodes or not. */
  filter(choices) {
    this.choices = choices;
    const { kinds, from, to, unlinked } = choices;
    for (const node of [...this.drugs, ...this.journals]) node.publications = [];
    for (const publication of this.publications) {
      publication.passes =
        kinds.has(publication.type) &&
        (!from || (publication.date && publication.date >= from)) &&
        (!to || (publication.date && publication.date <= to));
      publication.shown = publication.passes && (unlinked || publication.drugs.length > 0);
      if (publication.shown) for (const node of this.endsOf(publication)) node.publications.push(publication);
    }
    for (const node of [...this.drugs, ...this.journals]) {
      node.shown = kinds.has(node.type) && (unlinked || node.publications.length > 0);
    }
  }

  shown(nodes = this.nodes) {
    return nodes.filter((node) => node.shown);
  }

  /** The node with all that is linked to it, of what is shown; the node itself always. */
  neighbourhood(node) {
    const publications = node.publications ?? [node];
    const around = new Set([node, ...publications]);
    for (const publication of publications) {
      for (const end of this.endsOf(publication)) {
        if (end.shown && (end.type !== node.type || end === node)) around.add(end);
      }
    }
    return around;
  }

  drugsOf(journal, type = null) {
    const drugs = new Set();
    for (const publication of journal.publications) {
      if (type === null || publication.type === type) publication.drugs.forEach((drug) => drugs.add(drug));
    }
    return drugs;
  }

  journalsOf(drug, type = null) {
    const journals = new Set();
    for (const publication of drug.publications) {
      if (publication.journal && (type === null || publication.type === type)) journals.add(publication.journal);
    }
    return journals;
  }

  /** Other drugs that the same journals mention in PubMed but not in clinical trials, with those journals. */
  relatedDrugs(drug) {
    const related = new Map();
    for (const journal of this.journalsOf(drug, "pubmed")) {
      const onTrial = this.drugsOf(journal, "clinical_trial");
      for (const other of this.drugsOf(journal, "pubmed")) {
        if (other === drug || onTrial.has(other)) continue;
        if (!related.has(other)) related.set(other, []);
        related.get(other).push(journal);
      }
    }
    return related;
  }

  search(text, limit) {
    const words = folded(text).split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const rank = { drug: 0, journal: 1, pubmed: 2, clinical_trial: 2 };
    return this.nodes
      .filter((node) => words.every((word) => node.folded.includes(word)))
      .map((node) => ({ node, score: rank[node.type] + (node.folded.startsWith(words[0]) ? 0 : 0.5) }))
      .sort((a, b) => a.score - b.score || (b.node.all?.length ?? 0) - (a.node.all?.length ?? 0) || compare(a.node, b.node))
      .slice(0, limit)
      .map((found) => found.node);
  }
}

function compare(a, b) {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1;
}
