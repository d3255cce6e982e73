//! What the description says of values that the code would refuse: patterns, lengths, ranges, choices.
//!
//! Nothing is bounded here anew. Fields of bodies obey the rules of the records that they become ([`Resource::bodies`]), the
//! words of `/messages` are told by `foldstream_browse::words`, and the rest stands beside the code that reads it. What
//! only two values together break (`start_date` behind `end_date`) is told in words, and so is what must be known.
//!
//! [`Resource::bodies`]: crate::resource::Resource::bodies

use crate::{
    commands::{self, aggregate::Aggregate},
    http::{names::AFTER, times::DAY_PATTERN},
    messages,
    resource::Body,
    resources,
};
use foldstream_browse::words::{self, Shape, TOPIC_SHAPE, Word, words_of};
use foldstream_events::CATALOGUE;
use foldstream_log::{Limits, Rule, Topic, generated::rules};
use serde_json::{Map, Value, json};

/// What could be said by the words of `/messages` of topics of ours.
const EXAMPLES: [(&str, &str); 8] = [
    (words::TOPIC, "locations"),
    (words::PARTITION, "0,3"),
    (words::KEY, "0101de"),
    (words::SINCE, "15m"),
    (words::TYPE, "LocationReported"),
    (words::WHERE, "latitude>=50.5"),
    (words::FIELDS, "person_id,latitude"),
    (words::HEADER, "ce_type=foldstream.locations.LocationReported"),
];

/// Adds the bounds to a description as JSON.
pub(crate) fn tell(document: &mut Value) {
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        resources::bodies().for_each(|body| bound_body(body, schemas));
    }
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["operationId"] =
                format!("{method}{}", path.replace(|one: char| !one.is_alphanumeric(), "_")).into();
            let words: Vec<Value> = messages::door_of(path).into_iter().flat_map(words_of).map(parameter_of).collect();
            if !words.is_empty() {
                let given = operation["parameters"].as_array().cloned().unwrap_or_default();
                operation["parameters"] = words.into_iter().chain(given).collect();
            }
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or_default().to_owned();
                let bounds = bounds_of(path, &name).unwrap_or_default();
                merge(&mut parameter["schema"], bounds);
            }
        }
    }
}

fn bound_body(body: &Body, schemas: &mut Map<String, Value>) {
    if let Some(schema) = schemas.get_mut(body.schema) {
        let mut any = Vec::new();
        for (field, shape) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            let bounds = body.rule(field).map(of_rule).unwrap_or_default();
            any.push(json!({"required": [field], "properties": {field: {"not": {"type": "null"}}}}));
            merge(shape, bounds);
        }
        // Where nothing must be given, something must.
        if schema.get("required").is_none() {
            schema["anyOf"] = any.into();
        }
    }
    let Some(at_most) = body.at_most else { return };
    let reference = format!("#/components/schemas/{}", body.schema);
    for choice in schemas.values_mut().filter_map(|schema| schema.get_mut("oneOf")?.as_array_mut()).flatten() {
        if choice["items"]["$ref"] == reference {
            merge(choice, json!({"minItems": 1, "maxItems": at_most}));
        }
    }
}

/// What values of a parameter may be, where that is not said where it is documented.
fn bounds_of(path: &str, name: &str) -> Option<Value> {
    let aggregates = resources::aggregates();
    let commands = aggregates.iter().map(|Aggregate { commands, .. }| *commands);
    Some(match (path, name) {
        ("/api/outcomes/{id}", "id") => json!({"pattern": format!("^{}$", position_on(commands))}),
        ("/api/locations/{id}", "id") => return None,
        ("/api/dead-letters", "topic") => {
            json!({"enum": CATALOGUE.topics.iter().map(|topic| topic.name).collect::<Vec<_>>()})
        }
        (_, "id") => of_rule(&rules::ID),
        ("/topics/{name}", "name") | (_, "topic" | "to") => of_shape(TOPIC_SHAPE),
        (path, "partition") if path.starts_with("/messages/{topic}/{partition}") => {
            json!({"minimum": 0, "maximum": i32::MAX})
        }
        (_, "offset") => json!({"minimum": 0, "maximum": i64::MAX}),
        (_, "start_date" | "end_date") => json!({"format": "date", "pattern": DAY_PATTERN}),
        (_, "as_of") => of_rule(&rules::TIME),
        (_, AFTER) => {
            let range = format!(r"{}(?:-[0-9]{{1,18}})?", position_on(CATALOGUE.topics.iter().copied()));
            json!({"pattern": format!("^{range}(?:,{range}){{0,199}}$")})
        }
        (_, "Idempotency-Key") => json!({"type": "string", "pattern": commands::preferences::KEY_PATTERN}),
        (_, "Prefer" | "Last-Event-ID") => json!({"type": "string"}),
        _ => return None,
    })
}

/// A position on one of these topics, in a partition that there is.
fn position_on<'a>(topics: impl Iterator<Item = &'a Topic>) -> String {
    let on = |topic: &Topic| {
        let partitions: Vec<_> = (0..topic.partitions).map(|partition| partition.to_string()).collect();
        format!("{}:(?:{})", topic.name.replace('.', r"\."), partitions.join("|"))
    };
    let on: Vec<_> = topics.map(on).collect();
    format!(r"(?:{}):[0-9]{{1,18}}", on.join("|"))
}

fn of_rule(rule: &Rule) -> Value {
    match rule.limits {
        Limits::Text { min_chars, max_chars, .. } => {
            json!({"minLength": min_chars, "maxLength": max_chars, "pattern": rule.pattern()})
        }
        Limits::Number { minimum, maximum: None } => json!({"minimum": minimum}),
        Limits::Number { minimum, maximum: Some(maximum) } => json!({"minimum": minimum, "maximum": maximum}),
        Limits::Time { .. } => json!({"format": "date-time", "pattern": rule.pattern()}),
    }
}

fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Text { pattern: Some(pattern), min_chars, max_chars } => {
            json!({"type": "string", "minLength": min_chars, "maxLength": max_chars, "pattern": pattern})
        }
        Shape::Text { pattern: None, min_chars, max_chars } => {
            json!({"type": "string", "minLength": min_chars, "maxLength": max_chars})
        }
        Shape::OneOf(choices) => json!({"type": "string", "enum": choices}),
        Shape::Flag => json!({"type": "boolean"}),
    }
}

fn parameter_of(word: &Word) -> Value {
    let schema = match word.most {
        1 => of_shape(word.shape),
        most => json!({"type": "array", "maxItems": most, "items": of_shape(word.shape)}),
    };
    let mut parameter = json!({"name": word.name, "in": "query", "description": word.says, "schema": schema});
    merge(&mut parameter, json!({"required": word.is_required()}));
    if let Some((_, example)) = EXAMPLES.iter().find(|(name, _)| *name == word.name) {
        merge(&mut parameter, json!({"example": example}));
    }
    parameter
}

/// Sets these members.
fn merge(object: &mut Value, members: Value) {
    if let (Some(object), Value::Object(members)) = (object.as_object_mut(), members) {
        object.extend(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of these any value is taken, or only one that was handed out before, or that is known.
    const FREE: [(&str, &str); 7] = [
        ("", "cursor"),
        ("", "confirm"),
        ("", "Last-Event-ID"),
        ("", "Prefer"),
        ("/api/dead-letters", "projection"),
        ("/api/dead-letters", "key"),
        ("/api/locations/{id}", "id"),
    ];

    fn document() -> Value {
        serde_json::from_str(&crate::routes::openapi_json()).unwrap()
    }

    fn is_bounded(schema: &Value) -> bool {
        let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
        let bounds = ["pattern", "enum", "maxLength", "minimum", "exclusiveMinimum"];
        schema["type"] == "boolean" || bounds.iter().any(|bound| schema.get(bound).is_some())
    }

    #[test]
    fn every_parameter_and_every_field_is_bounded() {
        let document = document();
        let mut parameters = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let name = parameter["name"].as_str().unwrap();
                    let is_free = FREE.iter().any(|(at, free)| *free == name && (at.is_empty() || at == path));
                    assert!(is_free || is_bounded(&parameter["schema"]), "{method} {path}: {parameter}");
                    parameters += 1;
                }
                let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
                let Some(body) = body.as_str() else { continue };
                let schema = document.pointer(&body[1..]).unwrap();
                let choices = schema["oneOf"].as_array().into_iter().flatten();
                let name = choices.filter_map(|choice| choice["$ref"].as_str()).chain([body]).next().unwrap();
                let fields = document.pointer(&name[1..]).unwrap()["properties"].as_object().unwrap();
                assert!(fields.values().all(is_bounded), "{method} {path}: {fields:?}");
            }
        }
        assert!(parameters > 60, "{parameters}");
    }

    #[test]
    fn bounds_are_those_of_the_rules() {
        let schemas = &document()["components"]["schemas"];
        let name = &schemas["NewPerson"]["properties"]["first_name"];
        assert_eq!((&name["minLength"], &name["maxLength"]), (&json!(1), &json!(200)));
        assert_eq!(name["pattern"], json!(foldstream_events::rules::NAME.pattern()));
        let time = &schemas["NewLocation"]["properties"]["creation_time"];
        assert_eq!((&time["format"], &time["pattern"]), (&json!("date-time"), &json!(rules::TIME.pattern())));
        assert_eq!(schemas["NewLocations"]["oneOf"][1]["maxItems"], 10_000);
        assert_eq!(schemas["PersonChange"]["anyOf"].as_array().unwrap().len(), 3);
    }
}
