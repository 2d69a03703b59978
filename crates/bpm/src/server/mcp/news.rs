//! What happened since a client's last call leads its next result.

use bpm_api::{GetNews, Origin};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::control::Control;

/// Costs nothing where there is none.
pub(super) async fn lead<C: Control>(control: &C, origin: Origin, result: &mut CallToolResult) {
    if !control.has_news(&origin) {
        return;
    }
    // Without them the result is as good.
    let Ok(news) = control.ask(GetNews {}, Origin { key: None, ..origin }).await else { return };
    if let Some(line) = news.line.filter(|line| !line.is_empty()) {
        put(&line, result);
    }
}

fn put(line: &str, result: &mut CallToolResult) {
    if let Some(ContentBlock::Text(first)) = result.content.first_mut() {
        first.text = format!("since your last call: {line}\n{}", first.text);
    }
    if let Some(Value::Object(facts)) = &mut result.structured_content {
        facts.insert("since_your_last_call".to_owned(), Value::from(line));
    }
}
