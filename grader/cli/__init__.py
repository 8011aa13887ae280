"""Give instructors and students their commands; each loads what it needs only when called."""

import typer

from grader import standard_streams
from grader.cli import (
    authoring,
    grading,
    lti,
    machine,
    platforms,
    proving,
    service,
    stored,
    xqueue,
)
from grader.cli.batch import batch

app = typer.Typer(
    help="Grade JAX and Flax nnx exercises behind a wall.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(standard_streams.hold)
app.command()(grading.grade)
app.command()(batch)
app.command("try")(grading.try_)
app.command()(stored.replay)
app.command()(stored.render)
app.command(**platforms.PASSED_ON)(platforms.run)
app.command()(platforms.validate)
app.command()(platforms.package)
app.command()(stored.schema)
app.command()(machine.exercises)
app.command()(machine.warm)
app.command()(machine.doctor)
app.command()(proving.check)
app.command()(proving.calibrate)
app.command()(authoring.examples)
app.command("new-exercise")(authoring.new_exercise)
app.command()(service.serve)
app.command()(service.worker)
app.command()(service.migrate)
app.command()(service.regrade)
app.command()(service.purge)
app.add_typer(service.webhook, name="webhook")
app.command()(xqueue.xqueue)
app.add_typer(lti.platforms, name="lti")
app.add_typer(lti.grades, name="grades")
