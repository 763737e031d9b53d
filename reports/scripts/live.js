// A page that is watched: what has changed is fetched from where the page came from. A report in a file does nothing of this.
//
// The server makes the same HTML as ever, and what is new in it is taken over into the page that the reader sees. So elements
// stay, with focus, scroll position and whatever listens to them; then each part's refresh shows what the reader had chosen.
function live() {
  const SECONDS = 1;
  const connection = document.getElementById("connection");
  const styles = document.getElementById("pictures").sheet;
  // What the reader or a script has set, never the server.
  const ours = new Set(["open", "hidden", "aria-expanded", "aria-pressed", "aria-sort", "aria-valuetext"]);
  const inside = ".plot, #part"; // Plotly's, and what was fetched

  function take(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.matches(inside)) return;
    for (const { name } of [...old.attributes]) if (!ours.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) {
      if (!ours.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    let next = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const same = child.id ? [...old.children].find((one) => one.id === child.id) : next;
      if (same && same.nodeName === child.nodeName && (same.id || "") === (child.id || "")) {
        if (same !== next) old.insertBefore(same, next);
        if (!same.isEqualNode(child)) take(same, child);
        next = same.nextSibling;
      } else {
        old.insertBefore(child, next);
      }
    }
    while (next) {
      const rest = next.nextSibling;
      next.remove();
      next = rest;
    }
  }

  // A section that has got other parts, such as its first pictures, begins anew.
  const layout = (section) => section.querySelectorAll(".plot, .tile, .strip").length;

  function show({ page, styles: rules, ...rest }) {
    if (page?.grid) return location.reload(); // the command was given again, with other comparisons
    for (const [part, entries] of Object.entries(rest)) {
      // Into the same objects, for the parts of the page hold them.
      for (const [name, value] of Object.entries(entries)) data[part][name] = Object.assign(data[part][name] || {}, value);
    }
    for (const rule of Object.values(rules || {})) styles.insertRule(rule);
    if (!page?.body) return refresh();
    const fresh = new DOMParser().parseFromString(page.body, "text/html");
    const anew = Object.keys(data.comparisons).filter((id) => {
      const [old, section] = [document, fresh].map((tree) => tree.getElementById(id));
      if (layout(old) === layout(section)) return false;
      old.replaceWith(section.cloneNode(true));
      return true;
    });
    for (const part of ["header", "main"]) take(document.querySelector(part), fresh.querySelector(part));
    anew.forEach(start);
    refresh();
  }

  async function ask() {
    try {
      const answer = await fetch(`update?since=${data.version}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const { version, parts } = await answer.json();
      data.version = version;
      if (Object.keys(parts).length) show(parts);
      connection.hidden = true;
      connection.since = undefined;
    } catch (error) {
      if (!(error instanceof TypeError)) console.error(error);
      connection.since ||= new Date().toLocaleTimeString();
      connection.textContent = `No longer watched since ${connection.since}: gan-bench has ended here. This page stays as it was then.`;
      connection.hidden = false;
    }
    setTimeout(ask, 1000 * SECONDS);
  }
  ask();
}
if (data.version !== undefined) live();
