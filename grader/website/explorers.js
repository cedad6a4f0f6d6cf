// Explorers on a page: an object of four methods stands in for the kernel's model, and the address
// keeps where the controls are, so that a view can be linked: #NAME:p=0.9,draw=2
import { places } from "./explore/kit.js";

for (const host of document.querySelectorAll("[data-explorer]")) {
  const state = JSON.parse(host.querySelector("script").textContent);
  state.table = Uint8Array.from(atob(state.table), (c) => c.charCodeAt(0));
  const { default: explorer } = await import(`./explore/${state.script}.js`);
  const heard = new Set();
  const mark = `#${state.script}:`;
  const asked = () => {
    if (!location.hash.startsWith(mark)) return null;
    const pairs = decodeURIComponent(location.hash.slice(mark.length)).split(",").map((s) => s.split("="));
    const known = pairs.filter(([name]) => state.controls.some((control) => control.name === name));
    return places(state.controls, Object.fromEntries(known.map(([name, v]) => [name, isNaN(v) ? v : Number(v)])));
  };
  const written = () => mark + state.controls
    .map(({ name, values }) => `${name}=${values[state.at[name]]}`).join(",");
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    on: (_, hear) => heard.add(hear),
    off: (_, hear) => heard.delete(hear),
    save_changes: () => history.replaceState(null, "", written()),
  };
  Object.assign(state.at, asked());
  addEventListener("hashchange", () => {
    const there = asked();
    if (!there) return;
    state.at = { ...state.at, ...there };
    for (const hear of heard) hear();
    host.scrollIntoView({ block: "nearest" });
  });
  host.replaceChildren();
  explorer.render({ model, el: host });
  if (asked()) host.scrollIntoView({ block: "nearest" });
}
