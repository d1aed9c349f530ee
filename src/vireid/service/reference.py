"""A page that says what can be asked: plain HTML, with nothing from anywhere else."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["reference_page"]


def reference_page(openapi: dict[str, Any]) -> str:
    """An OpenAPI description as HTML.

    Args:
        openapi: the document.
    """
    title = escape(openapi["info"]["title"])
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width"></head><body>',
        f"<h1>{title}</h1><p>{escape(openapi['info'].get('description', ''))}</p>",
        '<p>For programs: <a href="/openapi.json">/openapi.json</a></p>',
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>")
            parts.append(_inputs(operation, openapi))
            answers = "".join(
                f"<dt>{escape(status)}</dt><dd>{escape(answer['description'])}</dd>"
                for status, answer in operation["responses"].items()
            )
            parts.append(f"<h3>Answers</h3><dl>{answers}</dl>")
    parts.append("</body></html>")
    return "\n".join(parts)


def _inputs(operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    rows = [
        (f"{entry['name']} ({entry['in']})", entry["schema"], entry.get("required", False))
        for entry in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content["schema"], openapi)
        required = schema.get("required", [])
        rows += [(f"{name} ({kind})", field, name in required) for name, field in schema["properties"].items()]
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(schema))}</td>"
        f"<td>{'required' if required else ''}</td><td>{escape(schema.get('description', ''))}</td></tr>"
        for name, schema, required in rows
    )
    return f"<h3>Takes</h3><table>{cells}</table>"


def _resolved(schema: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    if schema.get("type") == "array":
        return f"several {_type(schema['items'])}"
    kind = str(schema.get("format", schema.get("type", "")))
    bounds = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    return f"{kind} {' to '.join(bounds)}".strip()
