//! The parameters of a tool: read from the request type's schema once, shown to clients trimmed, and
//! checked in every call with messages that name the parameter.

use bpm_api::{Code, Error, Op};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const SHOWN_CHARS: usize = 60;

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    name: String,
    doc: Option<String>,
    required: bool,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Text,
    Choice(Vec<String>),
    Whole {
        least: i64,
        most: i64,
    },
    /// Zero or more.
    Number,
    Flag,
    /// A list; one alone may stand without it.
    List(Box<Kind>),
    /// Names with texts.
    Texts,
    /// The first that fits.
    Either(Vec<Kind>),
    /// Left to the request type.
    Other(Value),
}

/// The parameters of an operation, in the order of its fields' names.
pub(super) fn of<O: Op>() -> Vec<Parameter> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<O>().to_value();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Parameter {
            name: name.clone(),
            doc: property["description"].as_str().map(|doc| doc.trim_end_matches('.').replace('\n', " ")),
            required: required.contains(&name.as_str()),
            kind: kind_of(property),
        })
        .collect()
}

fn kind_of(property: &Value) -> Kind {
    // An optional one is `type: [T, null]`, or for a type of its own `anyOf: [T, null]`.
    if let Some(alternatives) = property["anyOf"].as_array() {
        let mut kinds: Vec<Kind> =
            alternatives.iter().filter(|one| one["type"] != "null").map(kind_of).collect();
        return if kinds.len() == 1 { kinds.remove(0) } else { Kind::Either(kinds) };
    }
    if let Some(names) = names_of(property) {
        return Kind::Choice(names);
    }
    let kind = property["type"].as_str().or_else(|| {
        let names = property["type"].as_array()?;
        names.iter().filter_map(Value::as_str).find(|name| *name != "null")
    });
    match kind {
        Some("string") => Kind::Text,
        Some("integer") => whole(property["format"].as_str()),
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Flag,
        Some("array") => Kind::List(Box::new(kind_of(&property["items"]))),
        Some("object") if property["additionalProperties"]["type"] == "string" => Kind::Texts,
        _ => Kind::Other(property.clone()),
    }
}

/// The names of an enumeration; those that have a description come one by one.
fn names_of(property: &Value) -> Option<Vec<String>> {
    let (list, name): (_, fn(&Value) -> &Value) = match (&property["enum"], &property["oneOf"]) {
        (Value::Array(list), _) => (list, |one| one),
        (_, Value::Array(list)) => (list, |one| one.get("const").unwrap_or(&one["enum"][0])),
        _ => return None,
    };
    let names: Option<Vec<&str>> =
        list.iter().map(name).filter(|name| !name.is_null()).map(Value::as_str).collect();
    Some(names?.into_iter().map(str::to_owned).collect())
}

fn whole(format: Option<&str>) -> Kind {
    let (least, most) = match format {
        // Nothing but ports is that short.
        Some("uint16") => (1, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64") => (0, i64::MAX),
        _ => (i64::MIN, i64::MAX),
    };
    Kind::Whole { least, most }
}

/// The JSON Schema that clients see: nothing in it that a model has no use for.
pub(super) fn schema(parameters: &[Parameter]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        parameters.iter().map(|parameter| (parameter.name.clone(), parameter.schema())).collect();
    let required: Vec<&str> = parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| parameter.name.as_str())
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    // That there are no others goes without saying, at 300 characters for all tools: who names one is told.
    schema
}

/// Drops what `known` already says of the parameter of the same name.
pub(super) fn without_docs_of(parameters: &mut [Parameter], known: &[Parameter]) {
    for parameter in parameters {
        if known.iter().any(|known| known.name == parameter.name && known.doc == parameter.doc) {
            parameter.doc = None;
        }
    }
}

/// Checks the arguments of a call and gives them in the form that the request type reads.
///
/// # Errors
///
/// `invalid_parameter`, naming the parameter, what was found and what was expected.
pub(super) fn check(parameters: &[Parameter], arguments: Map<String, Value>) -> Result<Value, Error> {
    let mut checked = Map::new();
    for (name, value) in arguments {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
            return Err(unknown(&name, parameters));
        };
        if value.is_null() && !parameter.required {
            continue;
        }
        let value = parameter.check(&value)?;
        checked.insert(name, value);
    }
    let missing =
        parameters.iter().find(|parameter| parameter.required && !checked.contains_key(&parameter.name));
    match missing {
        Some(parameter) => Err(Error::new(
            Code::InvalidParameter,
            format!("`{}` is missing, expected {}", parameter.name, parameter.kind.expected()),
        )),
        None => Ok(Value::Object(checked)),
    }
}

fn unknown(name: &str, parameters: &[Parameter]) -> Error {
    let near = parameters
        .iter()
        .map(|parameter| (strsim::damerau_levenshtein(name, &parameter.name), parameter))
        .filter(|(distance, _)| *distance <= 3)
        .min_by_key(|(distance, _)| *distance);
    let names: Vec<String> = parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
    let error = Error::new(
        Code::InvalidParameter,
        format!("`{}` is not a parameter, expected {}", clip(name), names.join(", ")),
    );
    match near {
        Some((_, parameter)) => error.hint(format!("did you mean `{}`?", parameter.name)),
        None => error,
    }
}

impl Parameter {
    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if let Some(doc) = &self.doc {
            schema.insert("description".to_owned(), json!(doc));
        }
        Value::Object(schema)
    }

    fn check(&self, value: &Value) -> Result<Value, Error> {
        // The other values may be secrets.
        if let (Kind::Texts, Value::Object(texts)) = (&self.kind, value)
            && let Some((name, value)) = texts.iter().find(|(_, value)| !value.is_string())
        {
            let name = clip(name);
            return Err(Error::new(
                Code::InvalidParameter,
                format!("`{}.{name}` is {}, expected a string", self.name, describe(value)),
            ));
        }
        self.kind.take(value).ok_or_else(|| {
            Error::new(
                Code::InvalidParameter,
                format!("`{}` is {}, expected {}", self.name, describe(value), self.kind.expected()),
            )
        })
    }
}

/// `5.0` is a whole number too, as JSON Schema has it.
fn whole_number(number: &serde_json::Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Some(float as i64)
    })
}

impl Kind {
    fn schema(&self) -> Map<String, Value> {
        let schema = match self {
            Kind::Text => json!({"type": "string"}),
            Kind::Choice(names) => json!({"type": "string", "enum": names}),
            // The bounds go without saying; who oversteps them is told.
            Kind::Whole { .. } => json!({"type": "integer"}),
            Kind::Number => json!({"type": "number"}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::List(of) => json!({"type": "array", "items": of.schema()}),
            Kind::Texts => json!({"type": "object", "additionalProperties": {"type": "string"}}),
            Kind::Either(kinds) => return either(kinds),
            Kind::Other(schema) => schema.clone(),
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// The value in the form that the request type reads, if it is of this kind.
    fn take(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) | (Kind::Other(_), _) => {
                Some(value.clone())
            }
            (Kind::Choice(names), Value::String(name)) if names.contains(name) => Some(value.clone()),
            (Kind::Whole { least, most }, Value::Number(number)) => {
                whole_number(number).filter(|number| (*least..=*most).contains(number)).map(Value::from)
            }
            (Kind::Number, Value::Number(number)) if number.as_f64().is_some_and(|number| number >= 0.0) => {
                Some(value.clone())
            }
            (Kind::List(of), Value::Array(list)) => list.iter().map(|one| of.take(one)).collect(),
            (Kind::List(of), one) => of.take(one).map(|one| Value::Array(vec![one])),
            (Kind::Texts, Value::Object(texts)) if texts.values().all(Value::is_string) => {
                Some(value.clone())
            }
            (Kind::Either(kinds), value) => kinds.iter().find_map(|kind| kind.take(value)),
            _ => None,
        }
    }

    fn expected(&self) -> String {
        match self {
            Kind::Text => "a string".to_owned(),
            Kind::Choice(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(" or ")
            }
            Kind::Whole { least: i64::MIN, .. } => "a whole number".to_owned(),
            Kind::Whole { least, most: i64::MAX } => format!("a whole number from {least} on"),
            Kind::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Number => "a number from 0 on".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::List(of) => match &**of {
                Kind::Text => "a list of strings".to_owned(),
                of => format!("a list of {}", of.expected()),
            },
            Kind::Texts => "an object of strings".to_owned(),
            Kind::Either(kinds) => {
                let kinds: Vec<String> = kinds.iter().map(Kind::expected).collect();
                kinds.join(" or ")
            }
            Kind::Other(_) => "a value".to_owned(),
        }
    }
}

/// What the kinds say of themselves, under a `type` that lists theirs.
fn either(kinds: &[Kind]) -> Map<String, Value> {
    let mut types = Vec::new();
    let mut schema = Map::new();
    for kind in kinds {
        let mut one = kind.schema();
        types.extend(one.remove("type"));
        schema.extend(one);
    }
    schema.insert("type".to_owned(), Value::Array(types));
    schema
}

fn describe(value: &Value) -> String {
    let text = value.to_string();
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Bool(_) => "",
        Value::Number(_) => "the number ",
        Value::String(_) => "the string ",
        Value::Array(_) => "the list ",
        Value::Object(_) => "the object ",
    };
    format!("{kind}{}", clip(&text))
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
