"use strict";
(() => {
  const search = document.getElementById("search");
  const lists = [...document.querySelectorAll(".list")];
  const tabs = [...document.querySelectorAll("input[name=list]")];
  const types = [...document.querySelectorAll(".type")];
  // What a record says, without the labels that stand in it, and the types it has.
  const records = [...document.querySelectorAll("article")].map((element) => {
    const said = [], found = new Set();
    for (const node of element.querySelectorAll("p, h3 bdi")) {
      for (const part of node.childNodes) {
        const text = part.nodeName === "MARK" ? part.firstChild : part;
        if (text && text.nodeName === "#text") said.push(text.textContent);
      }
    }
    for (const label of element.querySelectorAll("mark b")) found.add(label.firstChild.textContent);
    return { element, text: said.join("").toLowerCase(), found };
  });
  const show = () => {
    const wanted = search.value.toLowerCase();
    const pressed = types.filter((type) => type.getAttribute("aria-pressed") === "true");
    for (const { element, text, found } of records) {
      element.hidden = !text.includes(wanted) || !pressed.every((type) => found.has(type.dataset.type));
    }
    const chosen = tabs.find((tab) => tab.checked);
    for (const list of lists) list.hidden = chosen !== undefined && list.id !== chosen.value;
    const open = records.filter(({ element }) => !element.closest(".list").hidden);
    const left = open.filter(({ element }) => !element.hidden).length;
    document.getElementById("status").textContent = left + " of " + open.length + " records";
  };
  search.addEventListener("input", show);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  for (const tab of tabs) tab.addEventListener("change", show);
  for (const type of types) {
    type.addEventListener("click", () => {
      type.setAttribute("aria-pressed", type.getAttribute("aria-pressed") !== "true");
      show();
    });
  }
  for (const name of document.querySelectorAll(".name")) {
    name.addEventListener("click", () => {
      search.value = search.value === name.dataset.name ? "" : name.dataset.name;
      show();
    });
  }
  show();
})();
