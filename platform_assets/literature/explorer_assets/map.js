/* Draws a scene on the canvas, and lets people move over it by pointer and by keyboard. Knows no filters. */
"use strict";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

const LABELS_AT_ONCE = 50; // in bubbles; nearer there is room for others

class GraphMap {
  /** `on.open(node)`, `on.leave()` and `on.announce(text)` are told what people do. */
  constructor(pad, tip, on) {
    this.pad = pad;
    this.tip = tip;
    this.on = on;
    this.canvas = pad.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.scene = { items: [], links: [], itemOf: new Map(), columns: false };
    this.view = { scale: 1, x: 0, y: 0 };
    this.current = null; // the item under the pointer or reached by keyboard
    this.widths = new Map();
    this.listen();
  }

  measure(text) {
    if (!this.widths.has(text)) {
      this.pen.save();
      this.pen.font = `13px ${FONT}`;
      this.widths.set(text, this.pen.measureText(text).width);
      this.pen.restore();
    }
    return this.widths.get(text);
  }

  get width() {
    return this.pad.clientWidth;
  }

  get height() {
    return this.pad.clientHeight;
  }

  /** Show a scene; `selected` is the node it is about, if any. */
  show(scene, selected) {
    this.scene = scene;
    this.selected = selected;
    this.current = null;
    this.tip.hidden = true;
    this.lit = null;
    if (scene.view) this.view = scene.view;
    else this.fit();
    this.draw();
  }

  fit() {
    const { items, columns } = this.scene;
    const box = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
    for (const item of items) {
      box.left = Math.min(box.left, item.x - item.r);
      box.right = Math.max(box.right, item.x + item.r);
      box.top = Math.min(box.top, item.y - item.r);
      box.bottom = Math.max(box.bottom, item.y + item.r);
    }
    if (!items.length) return;
    const high = box.bottom - box.top;
    if (columns) {
      // The columns were laid out for this width. What is much too tall stays readable and begins at the
      // selected node or the top.
      const whole = (this.height - 48) / high;
      const scale = Math.min(this.width / this.scene.width, whole < 0.85 ? 1 : whole, 1);
      const spare = this.height - high * scale;
      const middle = this.scene.itemOf.get(this.selected)?.y ?? box.top;
      const top = Math.max(spare - 24, Math.min(24, this.height / 2 - (middle - box.top) * scale));
      this.view = {
        scale,
        x: (this.width - this.scene.width * scale) / 2,
        y: (spare >= 48 ? spare / 2 : top) - box.top * scale,
      };
    } else {
      const wide = box.right - box.left;
      const scale = Math.min(3, (this.width - 60) / wide, (this.height - 60) / high);
      this.view = {
        scale,
        x: this.width / 2 - ((box.left + box.right) / 2) * scale,
        y: this.height / 2 - ((box.top + box.bottom) / 2) * scale,
      };
    }
    this.draw();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.max(0.02, Math.min(8, this.view.scale * factor));
    const change = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * change, y: y - (y - this.view.y) * change };
    this.draw();
  }

  move(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.draw();
  }

  /** Paint at the next frame; a scene that is shown again later is seen from where it was left. */
  draw() {
    this.scene.view = this.view;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  place(item) {
    return { x: item.x * this.view.scale + this.view.x, y: item.y * this.view.scale + this.view.y };
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height, pen } = this;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(document.documentElement);
    const names = ["paper", "ink", "soft", "edge", "accent", "journal-fill", ...Object.keys(KINDS)];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = this.colours.paper;
    pen.fillRect(0, 0, width, height);
    this.paintLinks();
    this.paintItems();
    this.paintLabels();
  }

  isLit(item) {
    return !this.lit || this.lit.has(item.node);
  }

  paintLinks() {
    const { pen, scene } = this;
    const crowd = scene.columns ? 0.75 : Math.max(0.2, Math.min(0.6, 90 / (scene.links.length + 1)));
    // One stroke per line width: thousands of single strokes are what would make moving the map slow.
    const quiet = new Map();
    const lit = new Map();
    for (const link of scene.links) {
      const from = this.place(link.out ?? link.from);
      const to = this.place(link.to);
      if (!this.mayCross(from, to)) continue;
      const width = Math.round(Math.min(5, Math.sqrt(link.weight ?? 1)));
      const lines = this.touches(link) ? lit : quiet;
      if (!lines.has(width)) lines.set(width, new Path2D());
      const path = lines.get(width);
      path.moveTo(from.x, from.y);
      const bend = (to.x - from.x) * 0.5;
      if (scene.columns) path.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x, to.y);
      else path.lineTo(to.x, to.y);
    }
    pen.globalAlpha = this.lit ? crowd * 0.35 : crowd;
    pen.strokeStyle = this.colours.edge;
    for (const [width, path] of quiet) {
      pen.lineWidth = width;
      pen.stroke(path);
    }
    pen.globalAlpha = 0.95;
    pen.strokeStyle = this.colours.accent;
    for (const [width, path] of lit) {
      pen.lineWidth = width * 1.4;
      pen.stroke(path);
    }
    // A publication without a title beside it has no lines of its own until it is looked at.
    const looked = this.current;
    if (looked?.node.drugs && !looked.out) {
      pen.globalAlpha = 1;
      pen.lineWidth = 1.5;
      for (const drug of looked.node.drugs) {
        const item = scene.itemOf.get(drug);
        if (!item) continue;
        const [from, to] = [this.place(looked), this.place(item)];
        pen.beginPath();
        pen.moveTo(from.x, from.y);
        pen.lineTo(to.x, to.y);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }

  touches(link) {
    return this.current !== null && (link.from === this.current || link.to === this.current);
  }

  mayCross(from, to) {
    return (
      Math.max(from.x, to.x) > 0 && Math.min(from.x, to.x) < this.width &&
      Math.max(from.y, to.y) > 0 && Math.min(from.y, to.y) < this.height
    );
  }

  paintItems() {
    const { pen, colours } = this;
    for (const item of this.scene.items) {
      const { x, y } = this.place(item);
      const r = this.radius(item);
      if (x + r < 0 || x - r > this.width || y + r < 0 || y - r > this.height) continue;
      pen.globalAlpha = this.isLit(item) ? 1 : 0.25;
      pen.fillStyle = colours[item.node.type];
      pen.beginPath();
      if (item.node.type === "drug") {
        pen.moveTo(x, y - r * 1.15);
        pen.lineTo(x + r * 1.15, y);
        pen.lineTo(x, y + r * 1.15);
        pen.lineTo(x - r * 1.15, y);
        pen.closePath();
        pen.fill();
        pen.strokeStyle = colours.paper;
        pen.lineWidth = 1;
        pen.stroke();
      } else if (item.node.type === "journal") {
        pen.arc(x, y, r, 0, 2 * Math.PI);
        pen.fillStyle = colours["journal-fill"];
        pen.fill();
        pen.strokeStyle = colours.journal;
        pen.lineWidth = this.scene.columns ? 2 : 1.2;
        pen.stroke();
      } else if (r < 1.2) {
        // Too small for a shape, and there are thousands of them.
        pen.fillRect(x - r, y - r, 2 * r, 2 * r);
      } else if (item.node.type === "clinical_trial") {
        pen.fillRect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
      } else {
        pen.arc(x, y, r, 0, 2 * Math.PI);
        pen.fill();
      }
      if (item === this.current || item.node === this.selected) {
        pen.beginPath();
        pen.arc(x, y, r + 4, 0, 2 * Math.PI);
        pen.strokeStyle = item === this.current ? colours.ink : colours.accent;
        pen.lineWidth = 2.5;
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
  }

  radius(item) {
    const least = item.node.type === "drug" ? 3 : 1;
    return Math.max(least, item.r * this.view.scale);
  }

  /** Labels never lie on each other: the most important first, then what still has room. */
  paintLabels() {
    const { pen, scene, view } = this;
    const size = scene.columns ? 13 * Math.min(1.3, view.scale) : 12.5;
    if (size < 7) return;
    pen.textBaseline = "middle";
    const taken = [];
    const wanted = scene.items.filter((item) => item.label && this.wantsLabel(item));
    const rank = (item) => (item === this.current ? 1e6 : 0) + (item.node.type === "drug" ? 3 : 1) * item.r;
    if (!scene.columns) wanted.sort((a, b) => rank(b) - rank(a));
    for (const item of wanted) {
      const { x, y } = this.place(item);
      if (x < -400 || x > this.width + 400 || y < -20 || y > this.height + 20) continue;
      const bold = item.node.type === "drug" || item.node === this.selected;
      pen.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
      const text = this.shortened(item.label, scene.columns ? item.room * view.scale : 190);
      const wide = pen.measureText(text).width;
      const r = this.radius(item);
      let left = x - wide / 2;
      let middle = item.node.type === "drug" ? y + r * 1.15 + size * 0.7 : r > 22 ? y : y + r + size * 0.7;
      if (item.side === "right") [left, middle] = [x + r + 6, y];
      if (item.side === "left") [left, middle] = [x - r - 6 - wide, y];
      const box = { left: left - 3, right: left + wide + 3, top: middle - size * 0.65, bottom: middle + size * 0.65 };
      if (!scene.columns) {
        if (box.right < 0 || box.left > this.width || taken.length >= LABELS_AT_ONCE) continue;
        if (taken.some((b) => b.left < box.right && b.right > box.left && b.top < box.bottom && b.bottom > box.top)) continue;
        taken.push(box);
        pen.globalAlpha = 0.86;
        pen.fillStyle = this.colours.paper;
        pen.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      }
      pen.globalAlpha = this.isLit(item) ? 1 : 0.35;
      pen.fillStyle = item.node.type === "drug" ? this.colours.drug : this.colours.ink;
      pen.fillText(text, left, middle);
      pen.globalAlpha = 1;
    }
  }

  /** In bubbles a journal is named when it is looked at or large enough on the screen to be worth its place. */
  wantsLabel(item) {
    if (this.scene.columns) return true;
    if (this.lit) return this.lit.has(item.node);
    return item.node.type === "drug" || this.radius(item) > 20;
  }

  shortened(text, room) {
    if (this.pen.measureText(text).width <= room) return text;
    let [least, most] = [1, text.length];
    while (least < most) {
      const half = Math.ceil((least + most) / 2);
      if (this.pen.measureText(`${text.slice(0, half)}…`).width <= room) least = half;
      else most = half - 1;
    }
    return `${text.slice(0, least).trimEnd()}…`;
  }

  /** Look at an item: its links and neighbours stand out. */
  look(item) {
    if (item === this.current) return;
    this.current = item;
    this.lit = item ? this.on.around(item.node) : null;
    this.tip.hidden = !item;
    if (item) {
      this.tip.textContent = this.on.describe(item.node);
      const { x, y } = this.place(item);
      const r = this.radius(item);
      const above = y > this.height * 0.6;
      this.tip.style.left = `${Math.max(8, Math.min(x + 12, this.width - 350))}px`;
      this.tip.style.top = above ? "auto" : `${y + r + 14}px`;
      this.tip.style.bottom = above ? `${this.pad.parentElement.clientHeight - y + r + 14}px` : "auto";
    }
    this.draw();
  }

  itemAt(x, y) {
    let best = null;
    for (const item of this.scene.items) {
      const at = this.place(item);
      const distance = Math.hypot(at.x - x, at.y - y);
      if (distance > Math.max(7, this.radius(item) + 2)) continue;
      // A dot inside a bubble is meant before the bubble.
      if (!best || item.r < best.r) best = item;
    }
    return best ?? this.labelAt(x, y);
  }

  labelAt(x, y) {
    if (!this.scene.columns) return null;
    const { scale } = this.view;
    return (
      this.scene.items.find((item) => {
        if (!item.label) return false;
        const at = this.place(item);
        const wide = Math.min(item.room, this.measure(item.label)) * scale;
        const [left, right] = item.side === "left" ? [at.x - wide - 14, at.x] : [at.x, at.x + wide + 14];
        return x > left && x < right && Math.abs(y - at.y) < 10 * scale;
      }) ?? null
    );
  }

  listen() {
    const { pad } = this;
    let drag = null;
    const pinch = new Map();
    pad.addEventListener("pointerdown", (event) => {
      pinch.set(event.pointerId, event);
      drag = { x: event.offsetX, y: event.offsetY, moved: 0 };
      pad.setPointerCapture(event.pointerId);
    });
    pad.addEventListener("pointermove", (event) => {
      const before = pinch.get(event.pointerId);
      if (before && pinch.size === 2) {
        const [other] = [...pinch.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
        const length = (pointer) => Math.hypot(pointer.offsetX - other.offsetX, pointer.offsetY - other.offsetY);
        this.zoom(length(event) / (length(before) || 1), other.offsetX, other.offsetY);
        drag.moved = Infinity;
      } else if (before) {
        drag.moved += Math.abs(event.offsetX - drag.x) + Math.abs(event.offsetY - drag.y);
        this.move(event.offsetX - drag.x, event.offsetY - drag.y);
        [drag.x, drag.y] = [event.offsetX, event.offsetY];
      } else {
        const item = this.itemAt(event.offsetX, event.offsetY);
        pad.style.cursor = item ? "pointer" : "";
        this.look(item);
      }
      if (before) pinch.set(event.pointerId, event);
    });
    pad.addEventListener("pointerup", (event) => {
      pinch.delete(event.pointerId);
      if (drag && drag.moved < 6) {
        const item = this.itemAt(event.offsetX, event.offsetY);
        if (item) this.on.open(item.node);
      }
    });
    pad.addEventListener("pointercancel", (event) => pinch.delete(event.pointerId));
    pad.addEventListener("pointerleave", () => this.look(null));
    pad.addEventListener("blur", () => this.look(null));
    pad.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        if (this.scene.columns && !event.ctrlKey) this.move(-event.deltaX, -event.deltaY);
        else this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    pad.addEventListener("keydown", (event) => {
      if (this.key(event)) event.preventDefault();
    });
    new ResizeObserver(() => this.on.resize()).observe(pad);
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (arrow && event.shiftKey) this.move(-arrow[0] * 80, -arrow[1] * 80);
    else if (arrow) this.step(...arrow);
    else if (event.key === "Enter" && this.current) this.on.open(this.current.node);
    else if (event.key === "Escape") this.on.leave();
    else if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "0") this.fit();
    else return false;
    return true;
  }

  /** Go to the nearest node in a direction, and bring it into sight. */
  step(dx, dy) {
    const { items } = this.scene;
    if (!items.length) return;
    let best = null;
    if (!this.current) best = items.find((item) => item.node === this.selected) ?? items[0];
    else {
      let least = Infinity;
      for (const item of items) {
        const [x, y] = [item.x - this.current.x, item.y - this.current.y];
        const along = x * dx + y * dy;
        const aside = Math.abs(x * dy) + Math.abs(y * dx);
        // Straight ahead counts for more than near: two steps there are two steps back.
        if (along > 0.5 && along + 2.5 * aside < least) [best, least] = [item, along + 2.5 * aside];
      }
    }
    if (!best) return;
    const { x, y } = this.place(best);
    const beyond = (at, size) => (at < 40 ? 40 - at : at > size - 40 ? size - 40 - at : 0);
    this.move(beyond(x, this.width), beyond(y, this.height));
    this.look(best);
    this.on.announce(this.on.describe(best.node));
  }
}
