//! The tools: their names, order, texts and schemas, built once, and how a call becomes a request.

use std::sync::Arc;

use bpm_api::{
    Code, EndTask, Error, GetStatus, GetTask, Op, Request, Restart, RunTask, SearchBuildLog, SearchLogs,
    SendInput, Start, Stop, WaitFor,
};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;

use super::parameters::{self, Parameter};

/// All tools. The order is part of the interface: clients cache what they have shown to a model.
#[derive(Debug)]
pub(super) struct Tools {
    listed: Vec<Tool>,
    callable: Vec<Callable>,
}

#[derive(Debug)]
pub(super) struct Callable {
    name: &'static str,
    parameters: Vec<Parameter>,
    request: fn(Value) -> Result<Request, serde_json::Error>,
}

/// What a tool does to the world, as far as a client asks before it lets a model use it.
#[derive(Clone, Copy)]
enum Effect {
    Reads,
    /// Again has no further effect.
    Sets,
    Changes,
    Destroys,
    /// Whatever the caller's own text does.
    Runs,
}

impl Tools {
    pub(super) fn new() -> Tools {
        let mut tools = Tools { listed: Vec::new(), callable: Vec::new() };
        tools.add::<GetStatus>("Status", Effect::Reads);
        tools.add::<Restart>("Rebuild and restart", Effect::Changes);
        tools.add::<Start>("Start", Effect::Sets);
        tools.add::<Stop>("Stop", Effect::Destroys);
        tools.add::<SearchLogs>("Search logs", Effect::Reads);
        // Its text refers to `search_logs`.
        let mut parameters = parameters::of::<SearchBuildLog>();
        parameters::without_docs_of(&mut parameters, &parameters::of::<SearchLogs>());
        tools.add_with::<SearchBuildLog>("Search build log", Effect::Reads, parameters);
        tools.add::<RunTask>("Run in background", Effect::Runs);
        tools.add::<GetTask>("Task status", Effect::Reads);
        tools.add::<EndTask>("End task", Effect::Destroys);
        tools.add::<SendInput>("Send input", Effect::Runs);
        tools.add::<WaitFor>("Wait for", Effect::Reads);
        tools
    }

    fn add<O: Op>(&mut self, title: &str, effect: Effect) {
        self.add_with::<O>(title, effect, parameters::of::<O>());
    }

    fn add_with<O: Op>(&mut self, title: &str, effect: Effect, parameters: Vec<Parameter>) {
        let tool = Tool::new(O::NAME, O::DOC, Arc::new(parameters::schema(&parameters)))
            .with_title(title)
            .with_annotations(effect.annotations());
        self.listed.push(tool);
        let request = |arguments| serde_json::from_value::<O>(arguments).map(O::into_request);
        self.callable.push(Callable { name: O::NAME, parameters, request });
    }

    pub(super) fn listed(&self) -> Vec<Tool> {
        self.listed.clone()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Callable> {
        self.callable.iter().find(|tool| tool.name == name)
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.callable.iter().map(|tool| tool.name).collect();
        names.join(", ")
    }
}

impl Callable {
    /// # Errors
    ///
    /// `invalid_parameter`, naming it.
    pub(super) fn request(&self, arguments: JsonObject) -> Result<Request, Error> {
        let arguments = parameters::check(&self.parameters, arguments)?;
        (self.request)(arguments).map_err(|fault| Error::new(Code::InvalidParameter, fault.to_string()))
    }
}

impl Effect {
    fn annotations(self) -> ToolAnnotations {
        let (read_only, destructive, idempotent) = match self {
            Effect::Reads => (true, false, true),
            Effect::Sets => (false, false, true),
            Effect::Changes => (false, false, false),
            Effect::Destroys => (false, true, true),
            Effect::Runs => (false, true, false),
        };
        ToolAnnotations::new()
            .read_only(read_only)
            .destructive(destructive)
            .idempotent(idempotent)
            .open_world(matches!(self, Effect::Runs))
    }
}

#[cfg(test)]
mod tests {
    use super::Tools;

    #[test]
    fn the_list_is_as_clients_have_it() {
        let listed = serde_json::to_string_pretty(&Tools::new().listed()).unwrap();
        insta::assert_snapshot!(listed);
    }

    /// With what the protocol puts around it 2,000 tokens, at four characters each.
    #[test]
    fn the_list_is_cheap_for_a_model() {
        let listed = serde_json::to_string(&Tools::new().listed()).unwrap();
        assert!(listed.len() <= 7_850, "{} bytes", listed.len());
    }

    #[test]
    fn nothing_a_model_has_no_use_for() {
        let listed = serde_json::to_string(&Tools::new().listed()).unwrap();
        for noise in
            ["$schema", "\"format\"", "null", "$ref", "$defs", "\"title\":\"Restart\"", "anyOf", "default\""]
        {
            assert!(!listed.contains(noise), "{noise} in {listed}");
        }
    }
}
