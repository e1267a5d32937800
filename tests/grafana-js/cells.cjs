// Prints what a person reads in each cell of the panels of a dashboard.
//
//   node cells.cjs VERSION < INPUT.json
//
// INPUT is [{ "panel": a panel of the dashboard, "series": { REFID: the reply of Graphite to this target } }].
// The output is [{ "title": ..., "cells": [[text, ...], ...] }]. A text is followed by its colour in brackets
// where the panel paints it. Grafana reads and formats everything; only what its plug-ins do with the result
// is repeated here: which options a panel has, and which texts it shows.
"use strict";

const { readFileSync } = require("node:fs");
const version = process.argv[2];
const grafana = require("./grafana.cjs")(version);

const theme = grafana.createTheme();

// What the application registers at its start: the options of all panels, those of the panels in use, and
// the transformations.
function register() {
  const option = (id, process, isCustom = false) => ({
    id: isCustom ? `custom.${id}` : id, path: id, name: id, isCustom, process, settings: {}, shouldApply: () => true,
    override: () => null, editor: () => null,
  });
  const same = grafana.identityOverrideProcessor;
  const standard = [
    option("displayName", grafana.displayNameOverrideProcessor), option("unit", grafana.unitOverrideProcessor),
    option("decimals", grafana.numberOverrideProcessor), option("min", grafana.numberOverrideProcessor),
    option("max", grafana.numberOverrideProcessor), option("noValue", grafana.stringOverrideProcessor),
    option("mappings", grafana.valueMappingsOverrideProcessor), option("color", same),
    option("thresholds", grafana.thresholdsOverrideProcessor),
  ];
  const custom = ["cellOptions", "drawStyle", "lineWidth", "fillOpacity", "showPoints", "pointSize", "spanNulls"];
  const registry = grafana.standardFieldConfigEditorRegistry;
  registry.setInit(() => [...standard, ...custom.map((id) => option(id, same, true))]);
  const { reduceTransformer, organizeFieldsTransformer } = grafana.standardTransformers;
  grafana.standardTransformersRegistry.setInit(() => [reduceTransformer, organizeFieldsTransformer]
    .map((one) => ({ id: one.id, name: one.name, transformation: version < 13 ? one : () => one })));
  return registry;
}

const fieldConfigRegistry = register();

function frames(series) {
  return Object.entries(series).flatMap(([refId, list]) =>
    list.map((one) => ({ ...grafana.toDataFrame({ ...one, title: one.target, refId }), refId })));
}

function transformed(configs, data) {
  const frames = grafana.transformDataFrame(configs, data, { interpolate: (text) => text });
  return new Promise((next, error) => { frames.subscribe({ next, error }); });
}

function formatted(panel, data) {
  return grafana.applyFieldOverrides({
    data, fieldConfig: panel.fieldConfig, theme, timeZone: "utc", replaceVariables: (text) => text, fieldConfigRegistry,
  });
}

// The name of a colour of the theme, if it is one that thresholds use.
function color(hex) {
  const names = ["green", "red", "transparent", "text", "orange", "yellow", "blue"];
  const same = (name) => grafana.colorManipulator.asHexString(theme.visualization.getColorByName(name))
    === grafana.colorManipulator.asHexString(hex);
  return names.find(same) ?? hex;
}

// The cells of a table as the table draws them: a painted cell has a colour.
function table(panel, data) {
  const cells = [];
  for (const frame of data) {
    cells.push(frame.fields.map((field) => grafana.getFieldDisplayName(field, frame, data)));
    for (let row = 0; row < frame.length; row++) {
      cells.push(frame.fields.map((field) => {
        const value = field.display(field.values[row]);
        const text = grafana.formattedValueToString(value);
        const kind = field.config.custom?.cellOptions?.type ?? "auto";
        return kind.startsWith("color-") ? `${text} [${color(value.color)}]` : text;
      }));
    }
  }
  const { desc, displayName } = panel.options.sortBy?.[0] ?? {};
  const column = cells[0]?.indexOf(displayName) ?? -1;
  if (column < 0) return cells;
  const order = (a, b) => a[column].localeCompare(b[column]) * (desc ? -1 : 1);
  return [cells[0], ...cells.slice(1).sort(order)];
}

// A line a series: its legend, the last value as the tooltip shows it, and the least and the greatest value; and what
// draws it, if that is no line.
function timeSeries(panel, data) {
  const cells = data.flatMap((frame) => frame.fields.filter((field) => field.type === "number").map((field) => {
    const values = field.values.filter((value) => value !== null);
    const text = (value) => value === undefined ? "" : grafana.formattedValueToString(field.display(value));
    const bounds = [Math.min(...values), Math.max(...values)].map(text);
    const { drawStyle } = field.config.custom;
    const style = drawStyle === "line" ? [] : [`${drawStyle}, ${field.config.color.fixedColor}`];
    return [grafana.getFieldDisplayName(field, frame, data), text(values.at(-1)), ...bounds, ...style];
  }));
  return [["Legend", "Last", "Least", "Greatest"], ...cells.sort((a, b) => a[0].localeCompare(b[0]))];
}

// A line a value of a stat panel: its title, its text, its colour if it has one, and the length of its sparkline.
function stat(panel, data) {
  const values = grafana.getFieldDisplayValues({
    data, fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, theme, timeZone: "utc",
    replaceVariables: (text) => text, sparkline: panel.options.graphMode !== "none",
  });
  const cells = values.map(({ display, sparkline }) => {
    const text = grafana.formattedValueToString(display);
    const points = sparkline?.y.values.filter((value) => value !== null).length ?? 0;
    return [display.title, panel.options.colorMode === "none" ? text : `${text} [${color(display.color)}]`,
      points > 1 ? "drawn" : "none"];
  });
  return [["Title", "Value", "Sparkline"], ...cells.sort((a, b) => a[0].localeCompare(b[0]))];
}

const kinds = { table, timeseries: timeSeries, stat };

async function cells({ panel, series }) {
  const data = formatted(panel, await transformed(panel.transformations ?? [], frames(series)));
  return { title: panel.title, cells: kinds[panel.type](panel, data) };
}

Promise.all(JSON.parse(readFileSync(0, "utf8")).map(cells)).then((all) => console.log(JSON.stringify(all)));
