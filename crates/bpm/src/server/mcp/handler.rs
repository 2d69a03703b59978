//! The methods of MCP: each is passed on to the file that has it. Only what is declared is answered.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, JsonObject, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::identity::{Face, Identity, clip};
use super::subscriptions::{self, Subscriptions};
use super::tools::Tools;
use super::{calls, channel, completion, lasting, prompts, resources};
use crate::control::Control;

type Context = RequestContext<RoleServer>;

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

/// One session's, or one request's where there are no sessions. A clone is another one's: a reference count, nothing
/// else.
pub(super) struct Handler<C> {
    shared: Arc<Shared<C>>,
    subscriptions: Subscriptions,
}

pub(super) struct Shared<C> {
    pub(super) control: C,
    pub(super) identity: Identity,
    pub(super) tools: Tools,
    config: ServerConfig,
}

impl<C> Clone for Handler<C> {
    fn clone(&self) -> Self {
        Handler { shared: self.shared.clone(), subscriptions: Subscriptions::default() }
    }
}

impl<C: Control> Handler<C> {
    pub(super) fn new(control: C, identity: Identity) -> Handler<C> {
        let config = ServerConfig::new(capabilities(&identity))
            .with_server_info(Implementation::new("bpm", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS);
        let shared = Shared { control, identity, tools: Tools::new(), config };
        Handler { shared: Arc::new(shared), subscriptions: Subscriptions::default() }
    }

    fn reader(&self, context: &Context) -> bpm_api::Origin {
        self.shared.identity.origin(context, Face::Resource)
    }
}

fn capabilities(identity: &Identity) -> ServerCapabilities {
    let mut capabilities = ServerCapabilities::builder()
        .enable_completions()
        .enable_prompts()
        .enable_resources()
        .enable_resources_list_changed()
        .enable_resources_subscribe()
        .enable_tools()
        .enable_tasks()
        .build();
    if identity.channel {
        let experimental = capabilities.experimental.get_or_insert_default();
        experimental.insert(channel::CAPABILITY.to_owned(), JsonObject::new());
    }
    capabilities
}

impl<C: Control> ServerHandler for Handler<C> {
    fn get_info(&self) -> ServerConfig {
        self.shared.config.clone()
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        only_page(page)?;
        Ok(ListToolsResult::with_all_items(self.shared.tools.listed()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        calls::call(&self.shared, call, context).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.shared.control, page, self.reader(&context)).await
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        only_page(page)?;
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let origin = self.reader(&context);
        resources::read(&self.shared.control, &asked.uri, origin).await.map(ReadResourceResponse::from)
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        only_page(page)?;
        Ok(prompts::list())
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let origin = self.reader(&context);
        let prompt = prompts::get(&self.shared.control, &asked.name, asked.arguments, origin).await;
        prompt.map(GetPromptResponse::from)
    }

    async fn complete(
        &self,
        asked: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(&self.shared.control, asked, self.reader(&context)).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(requested))
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let origin = self.reader(subscription.request_context());
        subscriptions::listen(&self.shared.control, &subscription, origin).await
    }

    async fn subscribe(&self, asked: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        let origin = self.reader(&context);
        self.subscriptions.subscribe(&self.shared.control, asked.uri, &context.peer, origin).await
    }

    async fn unsubscribe(&self, asked: UnsubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        self.subscriptions.unsubscribe(asked.uri).await
    }

    async fn get_task(&self, asked: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData> {
        lasting::get(&self.shared.control, asked.task_id, self.reader(&context)).await
    }

    async fn update_task(&self, asked: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        lasting::update(&self.shared.control, asked.task_id, self.reader(&context)).await
    }

    async fn cancel_task(&self, asked: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        lasting::cancel(&self.shared.control, asked.task_id, self.reader(&context)).await
    }

    /// Also where a known method with parameters of the wrong shape ends up.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: Context,
    ) -> Result<CustomResult, ErrorData> {
        let method = clip(&request.method);
        if is_known(&request.method, context.meta.protocol_version().is_none()) {
            let message = format!("the parameters of `{method}` are malformed");
            return Err(ErrorData::invalid_params(message, None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {}
}

/// `legacy`: of a revision that does not say its version with each request.
fn is_known(method: &str, legacy: bool) -> bool {
    match method {
        "tools/call"
        | "tools/list"
        | "server/discover"
        | "resources/list"
        | "resources/read"
        | "resources/templates/list"
        | "prompts/list"
        | "prompts/get"
        | "completion/complete"
        | "tasks/get"
        | "tasks/update"
        | "tasks/cancel" => true,
        "initialize" | "resources/subscribe" | "resources/unsubscribe" => legacy,
        "subscriptions/listen" => !legacy,
        _ => false,
    }
}

/// Of a list that has no second page.
fn only_page(page: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor) {
        None => Ok(()),
        Some(cursor) => {
            let message = format!("`{}` is no cursor of this list, which has one page", clip(&cursor));
            Err(ErrorData::invalid_params(message, None))
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
