// Prints what is wrong with dashboards by the types of Grafana's own @grafana/schema, as a list of texts.
//
//   node schema.cjs VERSION < DASHBOARDS.json
"use strict";

const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const ts = require("typescript");

const version = process.argv[2];
const schema = `schema-${version}`;
const panel = (kind, name) => `${schema}/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen`;

const types = `
import type { Dashboard, Panel, RowPanel, VariableModel } from "${schema}";
import type { Options as StatOptions } from "${panel("stat", "Stat")}";
import type { Options as TableOptions, FieldConfig as TableField } from "${panel("table", "Table")}";
import type { Options as LineOptions, FieldConfig as LineField } from "${panel("timeseries", "TimeSeries")}";

// JSON has the values of enums, not their names.
type Json<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Json<U>[] : unknown extends T ? T : { [K in keyof T]: Json<T[K]> };
type Source = NonNullable<Panel["fieldConfig"]>;
type Of<Kind, Options, Field> = { type: Kind } & Omit<Json<Panel>, "type" | "options" | "fieldConfig"> & {
  options: Partial<Json<Options>>;
  fieldConfig: Omit<Json<Source>, "defaults"> & {
    defaults: Omit<Json<Source["defaults"]>, "custom"> & { custom?: Partial<Json<Field>> };
  };
};
type Panels = Json<RowPanel> | Of<"stat", StatOptions, {}> | Of<"table", TableOptions, TableField>
  | Of<"timeseries", LineOptions, LineField>;
type Whole = Omit<Json<Dashboard>, "panels" | "templating"> & {
  panels: Panels[];
  templating: { list: Json<VariableModel>[] };
};
`;

// A file, as the compiler takes no text. It is beside the packages, which it imports.
const file = join(__dirname, "node_modules", `.dashboards-${version}.ts`);
const dashboards = JSON.parse(readFileSync(0, "utf8"));
const values = dashboards.map((dashboard, index) => `export const d${index}: Whole = ${JSON.stringify(dashboard, null, 1)};`);
writeFileSync(file, types + values.join("\n"));
const program = ts.createProgram([file], {
  noEmit: true, strict: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
});
const problems = ts.getPreEmitDiagnostics(program).map((problem) => {
  const line = problem.file ? problem.file.getLineAndCharacterOfPosition(problem.start).line + 1 : 0;
  const text = problem.file ? problem.file.text.split("\n")[line - 1].trim() : "";
  return `line ${line}: ${text.slice(0, 100)}: ${ts.flattenDiagnosticMessageText(problem.messageText, "\n").slice(0, 600)}`;
});
console.log(JSON.stringify(problems));
