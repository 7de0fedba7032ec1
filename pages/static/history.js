// Back leads to the view before, and a link opens where it stands.
//
// Streamlit writes the address several times for one click, mostly with a new entry each: Back would go through views
// that nobody has seen. What is bound to the address gets no entry: Back would pass over it. So the first change of the
// address that follows from what a person has done begins an entry, and what comes behind it goes into the same.
// And its links to our own pages open in another tab; here they go the way of its menu.
(() => {
  if (window.proctorHistory) return;
  window.proctorHistory = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let hasActed = false;
  for (const kind of ["pointerdown", "keydown", "change", "click"]) addEventListener(kind, () => { hasActed = true; }, true);
  addEventListener("popstate", () => { hasActed = false; }, true);

  const write = (state, title, url) => {
    const isStep = hasActed && new URL(url ?? "", location.href).href !== location.href;
    if (isStep) hasActed = false;
    return (isStep ? push : replace)(state, title, url);
  };
  history.pushState = write;
  history.replaceState = write;

  addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[target=_blank]");
    if (!link || link.origin !== location.origin || event.defaultPrevented) return;
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const to = new URL(link.href);
    const zone = new URLSearchParams(location.search).get("zone");
    if (zone && !to.searchParams.has("zone")) to.searchParams.set("zone", zone);
    push({}, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  });
})();
