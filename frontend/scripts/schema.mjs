// Makes src/api/live.schema.ts from api/asyncapi.json; with --check, says whether it is what it would be.
// Run it with: npm run schema

import { readFile, writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const published = new URL("../../api/asyncapi.json", import.meta.url);
const generated = new URL("../src/api/live.schema.ts", import.meta.url);

const head = `// Made from api/asyncapi.json by 'npm run schema': do not change it by hand.\n\n`;

async function typescript() {
  const { info, components } = JSON.parse(await readFile(published, "utf8"));
  // Its schemas are those of OpenAPI 3.1, too.
  const document = { openapi: "3.1.0", info, paths: {}, components: { schemas: components.schemas } };
  const types = await openapi(document, {
    alphabetize: true,
    emptyObjectsUnknown: true,
    rootTypes: true,
    rootTypesNoSchemaPrefix: true,
  });
  return head + astToString(types);
}

const now = await typescript();
if (!process.argv.includes("--check")) {
  await writeFile(generated, now);
} else if ((await readFile(generated, "utf8")) !== now) {
  console.error("frontend/src/api/live.schema.ts is out of date: run 'npm run schema' in frontend");
  process.exitCode = 1;
}
