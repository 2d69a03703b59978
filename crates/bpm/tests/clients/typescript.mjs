// A session by the official TypeScript client: typescript.mjs ERA PROJECT http URL | stdio PROGRAM
//
// Run in the directory of the client. Ends with a stack trace at the first thing that does not hold.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');
const { StdioClientTransport } = require('@modelcontextprotocol/client/stdio');

const ERAS = {
  modern: { options: { versionNegotiation: { mode: 'auto' } }, version: '2026-07-28' },
  legacy: { options: {}, version: '2025-11-25' },
};

const [eraName, project, kind, server] = process.argv.slice(2);
const era = ERAS[eraName];

function transport() {
  if (kind === 'http') return new StreamableHTTPClientTransport(new URL(server));
  return new StdioClientTransport({ command: server, args: ['mcp'], cwd: project, env: { ...process.env } });
}

const textOf = (result) => {
  assert.equal(result.content.length, 1);
  assert.equal(result.content[0].type, 'text');
  return result.content[0].text;
};

async function greeting(client) {
  assert.equal(client.getNegotiatedProtocolVersion(), era.version);
  assert.equal(client.getServerVersion().name, 'bpm');
  assert.match(client.getInstructions(), /`restart`/);
}

async function tools(client) {
  const { tools: listed } = await client.listTools();
  const names = listed.map((tool) => tool.name);
  for (const name of ['get_status', 'restart', 'start', 'stop', 'search_logs', 'search_build_log']) {
    assert.ok(names.includes(name), `${name} is not among ${names}`);
  }
  for (const tool of listed) {
    assert.ok(tool.description && tool.title && tool.annotations, tool.name);
    assert.equal(tool.inputSchema.type, 'object');
  }

  const status = await client.callTool({ name: 'get_status', arguments: {} });
  assert.ok(!status.isError);
  assert.match(textOf(status), /^app: running/m);
  assert.equal(status.structuredContent.processes[0].name, 'app');

  const found = await client.callTool({ name: 'search_logs', arguments: { process: 'app', pattern: 'ready' } });
  assert.match(textOf(found), /\bready$/m);
}

async function mistakes(client) {
  const unknown = await client.callTool({ name: 'restart', arguments: { process: 'ap' } });
  assert.equal(unknown.isError, true);
  assert.equal(unknown.structuredContent.code, 'unknown_process');
  assert.match(textOf(unknown), /`app`/);

  const wrong = await client.callTool({ name: 'search_logs', arguments: { pattern: '([' } });
  assert.equal(wrong.isError, true);
  assert.match(textOf(wrong), /`pattern`/);

  await assert.rejects(client.callTool({ name: 'get_statu', arguments: {} }), { code: -32602 });
}

const client = new Client({ name: 'typescript', version: '1' }, era.options);
await client.connect(transport());
for (const part of [greeting, tools, mistakes]) await part(client);
await client.close();
console.log('all of it held');
