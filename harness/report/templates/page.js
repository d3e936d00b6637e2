"use strict";
(() => {
  const MOST = 200; // rows shown at once, so that a long table opens fast
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const fragment = () => {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return ""; // a stray percent sign names nothing
    }
  };

  const table = one("table");
  if (table) {
    const body = table.tBodies[0], rest = table.tBodies[1];
    const total = all("tbody tr", table).length;
    const search = one("search"), only = one("only"), count = one("count"), more = one("all");
    let rows = null, whole = false, persona = ""; // of a link to its sessions; search finds parts of words
    const known = () => {
      rows ??= all("tbody tr", table).map((row) => ({ row, text: row.textContent.toLowerCase(), marks: (row.dataset.marks || "").split(" ") }));
      return rows;
    };
    const say = (found) => {
      more.hidden = whole || found <= MOST;
      count.textContent = `${found} of ${total} sessions${more.hidden ? "" : `, the first ${MOST} shown`}`;
    };
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const mark = only ? only.value : "";
      let found = 0;
      for (const { row, text, marks } of known()) {
        const fits = (!mark || marks.includes(mark)) && (!persona || row.dataset.persona === persona) && words.every((word) => text.includes(word));
        found += fits;
        row.hidden = !fits || (!whole && found > MOST);
      }
      if (rest) rest.hidden = false;
      say(found);
    };
    const value = (row, at) => {
      const cell = row.cells[at];
      return cell.dataset.v ?? cell.textContent.trim();
    };
    const amount = (text) => {
      const found = parseFloat(text.replace(/[,\u00a0%+]/g, "").replace("\u2212", "-"));
      return Number.isNaN(found) ? -Infinity : found;
    };
    all("th[data-sort]", table).forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numeric = head.dataset.sort === "n";
        const now = head.getAttribute("aria-sort");
        const way = now === (numeric ? "descending" : "ascending") ? (numeric ? "ascending" : "descending") : numeric ? "descending" : "ascending";
        all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", way);
        const sign = way === "ascending" ? 1 : -1;
        const keyed = known().map((entry) => ({ entry, key: numeric ? amount(value(entry.row, at)) : value(entry.row, at) }));
        keyed.sort((a, b) => sign * (numeric ? (a.key > b.key) - (a.key < b.key) : a.key.localeCompare(b.key)));
        rows = keyed.map(({ entry }) => entry);
        body.append(...rows.map(({ row }) => row));
        show();
      });
    });
    search.addEventListener("input", () => { persona = ""; show(); });
    if (only) only.addEventListener("change", show);
    more.addEventListener("click", () => { whole = true; show(); });
    const linked = () => {
      const wanted = fragment();
      if (only && wanted.startsWith("only-")) {
        only.value = wanted.slice(5);
        search.value = persona = "";
        show();
      }
    };
    all("a[href^='#only-']").forEach((link) => link.addEventListener("click", () => {
      if (location.hash === link.hash) linked(); // the address does not change, so nothing else tells
    }));
    all("a[data-search]").forEach((link) => link.addEventListener("click", () => {
      search.value = persona = link.dataset.search;
      if (only) only.value = "";
      show();
    }));
    window.addEventListener("hashchange", linked);
    document.querySelector(".controls").hidden = false;
    say(total);
    linked();
  }

  const open = () => {
    const target = one(fragment());
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  if (location.hash) open();

  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  };
  all("button.copy").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const command = button.closest(".session").querySelector(".command code").textContent;
      const done = await copied(command.replace(/ N$/, ` ${button.dataset.turn}`));
      const before = button.textContent;
      button.textContent = done ? "Copied" : "Can't copy";
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  });

  const lines = one("lines");
  if (lines) {
    const chosen = (id) => one(id).value;
    const turns = (setting) => {
      const found = document.querySelector(`template[data-setting="${setting}"][data-pair="${chosen("pair")}"]`);
      return found ? [...found.content.children] : [];
    };
    const show = () => {
      const left = turns(chosen("left")), right = turns(chosen("right"));
      lines.replaceChildren();
      for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
        const row = lines.insertRow();
        for (const turn of [left[at], right[at]]) {
          const cell = row.insertCell();
          if (turn) {
            cell.className = turn.className;
            cell.append(...turn.cloneNode(true).childNodes);
          }
        }
      }
      one("which").textContent = one("pair").selectedOptions[0].textContent;
      one("left-name").textContent = one("left").selectedOptions[0].textContent;
      one("right-name").textContent = one("right").selectedOptions[0].textContent;
    };
    ["pair", "left", "right"].forEach((id) => one(id).addEventListener("change", show));
    document.querySelector(".controls").hidden = false;
  }
})();
