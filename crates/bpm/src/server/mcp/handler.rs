//! The methods of MCP: each decodes, asks `Control`, and encodes. Only what is declared is answered.

use std::sync::Arc;

use bpm_api::{Code, Error, Reply};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod, CompleteRequestParams,
    CompleteResult, ContentBlock, CustomRequest, CustomResult, ErrorCode, Implementation, JsonObject,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::channel;
use super::identity::{Face, Identity, clip};
use super::text;
use super::tools::Tools;
use crate::control::Control;

/// Read by every model that connects, before any tool is.
const INSTRUCTIONS: &str = "\
bpm keeps this project's programs running and rebuilds them. After editing code call `restart`: it builds \
first, and the old run serves until the build has succeeded; on failure you get the compiler's errors and nothing \
changes. What has started may still fail: look again. `get_status` says what runs and why something does not. \
`search_logs` finds what a program printed, also after it crashed. For anything else that takes long or stays (dev \
servers, test suites, watchers, REPLs) use `run_background_task` instead of a shell's `&`: it outlives this session and \
everybody sees it. Never poll or sleep: `wait_for` returns as soon as something is ready, ends, prints a line or \
an error, with the lines that decided it; when its time is over call it again with its cursor. Do not start the \
configured programs in a shell, nor `kill` what bpm runs.";

/// Cloned per request: a reference count, nothing else.
pub(super) struct Handler<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    control: C,
    identity: Identity,
    tools: Tools,
    config: ServerConfig,
}

impl<C> Clone for Handler<C> {
    fn clone(&self) -> Self {
        Handler { shared: self.shared.clone() }
    }
}

impl<C: Control> Handler<C> {
    pub(super) fn new(control: C, identity: Identity) -> Handler<C> {
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if identity.channel {
            capabilities
                .experimental
                .get_or_insert_default()
                .insert(channel::CAPABILITY.to_owned(), JsonObject::new());
        }
        let config = ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("bpm", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS);
        Handler { shared: Arc::new(Shared { control, identity, tools: Tools::new(), config }) }
    }
}

impl<C: Control> ServerHandler for Handler<C> {
    fn get_info(&self) -> ServerConfig {
        self.shared.config.clone()
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools.listed()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Shared { control, identity, tools, .. } = &*self.shared;
        let Some(tool) = tools.find(&call.name) else {
            let message = format!("unknown tool `{}`, expected one of {}", clip(&call.name), tools.names());
            return Err(ErrorData::invalid_params(message, None));
        };
        let outcome = match tool.request(call.arguments.unwrap_or_default()) {
            Ok(request) => tokio::select! {
                outcome = control.call(request, identity.origin(&context, Face::Tool)) => outcome,
                // Nobody waits for the answer any more. The work goes on.
                () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
            },
            Err(error) => Err(error),
        };
        Ok(result_of(outcome).into())
    }

    // What follows is not declared, and the SDK would answer it all the same.

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    /// Also where a known method with parameters of the wrong shape ends up.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = clip(&request.method);
        let known = match request.method.as_str() {
            "tools/call" | "tools/list" | "server/discover" => true,
            // gone from the revisions that say their version with each request
            "initialize" => context.meta.protocol_version().is_none(),
            _ => false,
        };
        if known {
            return Err(ErrorData::invalid_params(
                format!("the parameters of `{method}` are malformed"),
                None,
            ));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {}
}

fn result_of(outcome: Result<Reply, Error>) -> CallToolResult {
    match text::for_a_model(outcome) {
        Ok(reply) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text::reply(&reply))]);
            result.structured_content = text::structured(reply);
            result
        }
        Err(error) => {
            let content = vec![ContentBlock::text(text::error(&error))];
            // The wait is over, the work is not: nothing has failed yet.
            let mut result = match error.code {
                Code::TimedOut => CallToolResult::success(content),
                _ => CallToolResult::error(content),
            };
            result.structured_content = Some(text::structured_error(error));
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::INSTRUCTIONS;

    #[test]
    fn the_instructions_are_short() {
        assert!(INSTRUCTIONS.len() < 1_000, "{}", INSTRUCTIONS.len());
    }
}
