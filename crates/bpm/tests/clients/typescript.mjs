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

const DEADLINE_MS = 30_000;
const LOGS = 'bpm://process/app/logs';

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

async function resources(client) {
  const { resources: listed } = await client.listResources();
  const uris = listed.map((resource) => resource.uri);
  for (const uri of ['bpm://status', LOGS]) assert.ok(uris.includes(uri), `${uri} is not among ${uris}`);

  const read = async (uri) => {
    const { contents } = await client.readResource({ uri });
    assert.deepEqual(contents.map((one) => [one.uri, one.mimeType]), [[uri, 'text/plain']]);
    return contents[0].text;
  };
  assert.match(await read('bpm://status'), /^app: running/m);
  assert.match(await read(LOGS), /\bready$/m);

  const { resourceTemplates } = await client.listResourceTemplates();
  const templates = resourceTemplates.map((template) => template.uriTemplate);
  assert.deepEqual(templates, ['bpm://process/{name}/logs', 'bpm://task/{id}/logs']);

  const unknown = 'bpm://process/ap/logs';
  // the client has this code for the older one, too
  await assert.rejects(client.readResource({ uri: unknown }), { code: -32602, data: { uri: unknown } });
}

async function prompts(client) {
  const { prompts: listed } = await client.listPrompts();
  assert.deepEqual(listed.map((prompt) => prompt.name), ['diagnose', 'status']);

  const { messages } = await client.getPrompt({ name: 'diagnose', arguments: { process: 'app' } });
  assert.equal(messages.length, 1);
  assert.equal(messages[0].role, 'user');
  assert.match(messages[0].content.text, /`app`.*\n\napp: running/s);
  await assert.rejects(client.getPrompt({ name: 'diagnos' }), { code: -32602 });
}

async function completion(client) {
  const complete = async (ref, name) => {
    const { completion: found } = await client.complete({ ref, argument: { name, value: 'A' } });
    return found.values;
  };
  assert.deepEqual(await complete({ type: 'ref/prompt', name: 'diagnose' }, 'process'), ['app']);
  assert.deepEqual(await complete({ type: 'ref/resource', uri: 'bpm://process/{name}/logs' }, 'name'), ['app']);
}

// A restart prints something: whoever watches the log is told, once it has been asked for and until it no longer is.
async function push(client) {
  let told = Promise.withResolvers();
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => told.resolve(params.uri));
  const next = async () => {
    const late = setTimeout(told.reject, DEADLINE_MS, new Error('nobody was told'));
    assert.equal(await told.promise, LOGS);
    clearTimeout(late);
    told = Promise.withResolvers();
  };
  let end;
  if (eraName === 'modern') {
    const subscription = await client.listen({ resourceSubscriptions: [LOGS] });
    assert.deepEqual(subscription.honoredFilter.resourceSubscriptions, [LOGS]);
    end = () => subscription.close();
    await next(); // at once, since it is acknowledged before it is begun
  } else {
    await client.subscribeResource({ uri: LOGS });
    end = () => client.unsubscribeResource({ uri: LOGS });
  }
  const restarted = await client.callTool({ name: 'restart', arguments: { process: 'app' } });
  assert.ok(!restarted.isError, textOf(restarted));
  await next();
  await end();
}

async function background(client) {
  const call = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, textOf(result));
    return { text: textOf(result), facts: result.structuredContent };
  };
  const command = 'echo one; read line; echo "got $line"; exit 3';
  const { facts: begun } = await call('run_background_task', { command, ready: 'one', timeout_seconds: 20 });
  assert.equal(begun.state, 'running');
  const { task_id } = begun;
  const typed = await call('send_input', { task_id, text: 'hello', key: 'enter', wait_for: '^got' });
  assert.match(typed.text, /got hello/);
  const waited = await call('wait_for', { targets: [task_id], until: ['exit'] });
  assert.match(waited.text, /exited with 3/);
  const ended = await call('get_task_status', { task_id });
  assert.deepEqual([ended.facts.state, ended.facts.exit_code], ['failed', 3]);
  assert.match(ended.text, / one\n.* got hello$/);

  const { facts: sleeper } = await call('run_background_task', { command: ['sleep', '1000'], timeout_seconds: 0.1 });
  const { facts: killed } = await call('end_background_task', { task_id: sleeper.task_id });
  assert.deepEqual([killed.state, killed.signal], ['killed', 'TERM']);
}

const client = new Client({ name: 'typescript', version: '1' }, era.options);
await client.connect(transport());
for (const part of [greeting, tools, mistakes, resources, prompts, completion, background, push]) await part(client);
await client.close();
console.log('all of it held');
