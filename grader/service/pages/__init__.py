"""What people see: pages made on the server, htmx from our own files, no build step.

To add a page:

1. A template in `templates/` that extends `layout.html.j2` and takes tables, badges and forms from
   `macros.html.j2`. No style attribute, no inline script, nothing from another host: the policy
   refuses them. Looks belong into `static/pages.css`, on top of the report's own sheet.
2. A handler in a module of this room, with one of the kinds `link...` of `access.Access` as its
   `access`, a path below `/links/{link_id:str}`, and a parameter `visit: NamedDependency[Visit]`:
   whoever comes, as the guard (`visits.py`) found. It returns
   `pages_of(request.app).page("name", visit, ...)`, or what `.part("name", visit, ...)` gives for
   a piece that htmx puts into a page.
3. The handler's name in the module's HANDLERS, and the module in `handlers.py`.

What is posted carries the token of the visit (`{{ token(visit) }}` in each form): the guard refuses
it otherwise, before the handler runs. The handler reads it with `form_of(request)`. A form above
64 KiB needs an `opt` of `most_bytes`. `tests/service/pages/test_doors.py` walks the route table: it
knocks at each new route as a stranger, without a token and with another's.
"""
