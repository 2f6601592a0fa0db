// Before anything is drawn: the theme and the direction that were chosen here the last time, so that no page flashes.
(() => {
  const root = document.documentElement;
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem("mantine-color-scheme-value");
    language = localStorage.getItem("stemwright-language");
  } catch {
    // A browser that keeps nothing for us gets the theme of its system.
  }
  const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  language ??= navigator.language.startsWith("fa") ? "fa" : "en";
  root.lang = language;
  root.dir = language === "fa" ? "rtl" : "ltr";
})();
