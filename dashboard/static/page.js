// The pages work without this. With it, a choice is drawn at once, without a click on "Show", and the window does not jump.
"use strict";

const quick = () => {
  for (const form of document.querySelectorAll("form[data-quick]")) {
    const button = form.querySelector("button");
    if (button) button.hidden = true;
    form.addEventListener("change", () => {
      const query = new URLSearchParams(new FormData(form));
      for (const [name, value] of [...query]) if (!value) query.delete(name);
      show(`${form.getAttribute("action")}?${query}`, true);
    });
  }
  for (const place of document.querySelectorAll("[data-address]")) place.textContent = location.href;
};

let asked = 0;

// A change by somebody puts the address into the history; going back draws what was there.
const show = async (address, push) => {
  const number = ++asked;
  const focus = document.activeElement && document.activeElement.getAttribute("name");
  const value = document.activeElement && document.activeElement.value;
  const main = document.querySelector("main");
  main.classList.add("busy");
  try {
    const answer = await fetch(`/part${address}`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== asked) return;
    document.title = page.title;
    document.documentElement.dataset.release = page.documentElement.dataset.release || "";
    main.replaceChildren(...page.querySelector("main").childNodes);
    if (push) history.pushState(null, "", address);
    quick();
    const again = focus && [...main.querySelectorAll(`[name="${CSS.escape(focus)}"]`)].find((e) => e.type !== "checkbox" || e.value === value);
    if (again) again.focus({ preventScroll: true });
    main.dataset.state = "ready";
  } catch {
    location.assign(address); // the server's own page says what is wrong
  } finally {
    main.classList.remove("busy");
  }
};

addEventListener("popstate", () => show(location.pathname + location.search, false));
quick();
