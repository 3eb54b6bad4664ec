"use strict";
(() => {
  const number = (text) => {
    const value = Number.parseFloat(text.replace("<", ""));
    return Number.isNaN(value) ? null : value;
  };
  const worth = (cell) => number(cell.dataset.order ?? cell.textContent);
  const compare = (one, two) => {
    const [a, b] = [worth(one), worth(two)];
    if (a !== null && b !== null) return a - b;
    if (a === null && b === null) return one.textContent.localeCompare(two.textContent);
    return a === null ? 1 : -1;
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, place) => {
      head.firstElementChild.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((one, two) => {
          const order = compare(one.cells[place], two.cells[place]);
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
  }

  const chooser = document.getElementById("contrast");
  if (chooser) {
    const parts = [...document.querySelectorAll("[data-contrast]")];
    const choose = () => {
      for (const part of parts) part.hidden = chooser.value !== "" && part.dataset.contrast !== chooser.value;
      document.getElementById("chosen").textContent =
        chooser.value === "" ? `all ${chooser.options.length - 1} contrasts shown` : "shown alone";
    };
    const follow = () => {
      const asked = /^#contrast-(\d+)$/.exec(location.hash);
      if (!asked) return;
      chooser.value = String(Number(asked[1]) - 1);
      chooser.dispatchEvent(new Event("input"));
      const part = document.getElementById(asked[0].slice(1));
      part?.scrollIntoView();
      part?.focus({ preventScroll: true });
    };
    chooser.addEventListener("input", choose);
    addEventListener("hashchange", follow);
    document.getElementById("switch").hidden = false;
    choose();
    follow();
  }

  for (const link of document.querySelectorAll(".contents a")) {
    link.addEventListener("click", () => {
      const part = document.getElementById(link.hash.slice(1));
      if (part instanceof HTMLDetailsElement) part.open = true;
    });
  }
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details.block")) part.open = true;
  });

  const source = document.getElementById("data");
  if (!source) return;
  const { flips, questions } = JSON.parse(source.textContent);
  const names = JSON.parse(document.getElementById("names").textContent);
  const list = document.getElementById("flips");
  const more = document.getElementById("more");
  const status = document.getElementById("count");
  const fields = ["by-cell", "by-seed", "by-kind", "by-item"].map((id) => document.getElementById(id));
  const page = 50;
  const longest = 700; // words of an answer up to which two are compared word by word
  let chosen = [];
  let shown = 0;

  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text; // never innerHTML: this is what a model wrote
    if (kind) element.className = kind;
    return element;
  };
  const kindOf = (flip) => (flip[5][0] < flip[4][0] ? "lost" : "gained");
  const benchmarkOf = (flip) => names[flip[0]].benchmarks[flip[1]];
  const questionOf = (flip) => questions[names[flip[0]].tasks[flip[1]]]?.[flip[3]];
  const boxed = (text, title) => {
    const box = make("pre", text);
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", title);
    return box;
  };

  // The words of two texts as [text, in both]: a longest common subsequence.
  const differences = (one, two) => {
    const [a, b] = [one, two].map((text) => text.split(/(\s+)/).filter((part) => part !== ""));
    if (a.length > 2 * longest || b.length > 2 * longest) return null;
    const width = b.length + 1;
    const lengths = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1)
      for (let j = b.length - 1; j >= 0; j -= 1)
        lengths[i * width + j] =
          a[i] === b[j]
            ? lengths[(i + 1) * width + j + 1] + 1
            : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    const [left, right] = [[], []];
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        left.push([a[i], true]);
        right.push([b[j], true]);
        i += 1;
        j += 1;
      } else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
        left.push([a[i], false]);
        i += 1;
      } else {
        right.push([b[j], false]);
        j += 1;
      }
    }
    return [left, right];
  };
  const arm = (title, [score, verdict, extracted, reason, text], parts) => {
    const box = make("div");
    box.append(make("h4", title));
    box.append(make("p", `Score ${score}: ${verdict}${reason ? `, ${reason}` : ""}`));
    box.append(make("p", extracted === null ? "Nothing was extracted." : `Compared: ${extracted}`));
    if (text === null) {
      box.append(make("p", "The text of this benchmark is not shown."));
      return box;
    }
    const answer = boxed(text === "" ? "(empty answer)" : undefined, `Answer of ${title}`);
    if (text !== "" && parts) {
      for (const [word, common] of parts) answer.append(common || !word.trim() ? word : make("mark", word));
    } else if (text !== "") answer.textContent = text;
    box.append(answer);
    return box;
  };
  const pair = (flip) => {
    const box = make("section", undefined, "pair");
    const kind = kindOf(flip);
    const head = make("h3");
    head.append(make("span", kind, `tag ${kind}`), ` seed ${flip[2]}`);
    const arms = make("div", undefined, "arms");
    const texts = [flip[4][4], flip[5][4]];
    const parts = texts.every((text) => text) ? differences(...texts) : null;
    names[flip[0]].arms.forEach((name, side) => arms.append(arm(name, flip[4 + side], parts?.[side])));
    box.append(head, arms);
    return box;
  };
  const seedsOf = (group, kind) => group.filter((flip) => kindOf(flip) === kind).map((flip) => flip[2]);
  const entry = (group) => {
    const [flip] = group;
    const box = make("details", undefined, "flip");
    const head = make("summary");
    for (const kind of ["lost", "gained"]) {
      const seeds = seedsOf(group, kind).sort((one, two) => one - two);
      if (seeds.length) head.append(make("span", `${kind} at ${seeds.length}`, `tag ${kind}`), " ");
    }
    const whole = names.length > 1 && chooser?.value === "" ? [names[flip[0]].name] : [];
    const seeds = group.map((one) => one[2]).sort((one, two) => one - two);
    const places = `seed${seeds.length > 1 ? "s" : ""} ${seeds.join(", ")}`;
    head.append([...whole, benchmarkOf(flip), flip[3], places].join(" \u00b7 "));
    box.append(head);
    box.addEventListener("toggle", () => {
      if (box.childElementCount > 1) return;
      const asked = questionOf(flip);
      if (asked) {
        const question = make("div", undefined, "question");
        question.append(make("h3", "Question"), boxed(asked[0], "Question"));
        question.append(make("h3", "Target"), boxed(asked[1], "Target"));
        box.append(question);
      }
      box.append(...group.map(pair));
    });
    return box;
  };
  const texts = new Map(); // what is searched of each flip, put together when it is first needed
  const searched = (flip) => {
    if (!texts.has(flip)) {
      const parts = [flip[3], ...(questionOf(flip) ?? []), flip[4][2], flip[4][4], flip[5][2], flip[5][4]];
      texts.set(flip, parts.filter((part) => part !== null).join("\n").toLowerCase());
    }
    return texts.get(flip);
  };
  const grow = () => {
    list.append(...chosen.slice(shown, shown + page).map(entry));
    shown = Math.min(shown + page, chosen.length);
    more.hidden = shown >= chosen.length;
    status.textContent = `${shown} of ${chosen.length} items shown`;
  };
  const filter = () => {
    const [cell, seed, kind, item] = fields.map((field) => field.value);
    const wanted = item.toLowerCase();
    const groups = new Map();
    for (const flip of flips) {
      if (
        (!chooser || chooser.value === "" || flip[0] === Number(chooser.value)) &&
        (cell === "" || benchmarkOf(flip) === cell) &&
        (seed === "" || flip[2] === Number(seed)) &&
        (kind === "" || kindOf(flip) === kind) &&
        (wanted === "" || searched(flip).includes(wanted))
      ) {
        const key = JSON.stringify([flip[0], flip[1], flip[3]]);
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(flip);
      }
    }
    chosen = [...groups.values()];
    list.replaceChildren();
    shown = 0;
    grow();
  };
  let waiting;
  for (const field of fields)
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      if (field.type === "search") waiting = setTimeout(filter, 150);
      else filter();
    });
  chooser?.addEventListener("input", filter);
  more.addEventListener("click", () => {
    const first = shown;
    grow();
    list.children[first]?.firstElementChild.focus();
  });
  document.getElementById("controls").hidden = false;
  filter();
})();
