// Loads Grafana's own @grafana/data, which is made for browsers, under node.
"use strict";

module.exports = function load(version) {
  // Formats of numbers follow the language of the browser.
  const navigator = { language: "en-US", languages: ["en-US"], userAgent: "node", platform: "Linux" };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  const name = `data-${version}`;
  // Versions 11 and 12 need a window. This package takes one for a whole browser, so it is loaded before.
  try {
    require(require.resolve("react-use", { paths: [require.resolve(name)] }));
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
  globalThis.window = { addEventListener() {}, location: { origin: "", pathname: "" } };
  return require(name);
};
