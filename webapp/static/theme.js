// Runs before the first paint: marks that scripts run, and applies the stored theme so that the page does not flash.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const stored = localStorage.getItem("theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch {
    // Storage can be forbidden; the system's theme then holds.
  }
})();
