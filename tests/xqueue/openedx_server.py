"""Serve edx-submissions' own queue, as Open edX does, with two doors for tests. Run as a process.

`python openedx_server.py FOLDER` prints its port. POST /test/submit puts a submission into a queue
as the learning platform does; GET /test/state shows what became of each; POST /test/age makes all
leases run out.
"""

import json
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

FOLDER = Path(sys.argv[1])
USERNAME, PASSWORD = "grader", "it's a secret"

settings.configure(
    SECRET_KEY="tests only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="openedx_server",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "openedx.sqlite",
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "submissions",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    MEDIA_ROOT=FOLDER / "media",
    MEDIA_URL="/media/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
sys.modules["openedx_server"] = sys.modules["__main__"]  # this file holds the URLs as well
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils.timezone import now, timedelta  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.static import serve  # noqa: E402
from submissions import api  # noqa: E402
from submissions.models import ExternalGraderDetail  # noqa: E402


class Upload:
    """A file as the learning platform hands it on."""

    def __init__(self, name: str, text: str) -> None:
        self.file = ContentFile(text.encode(), name)


@csrf_exempt
def submit(request: HttpRequest) -> JsonResponse:
    asked = json.loads(request.body)
    student = {
        "student_id": asked["student"],
        "course_id": "course-v1:a+b+c",
        "item_id": "block-v1:problem",
        "item_type": "problem",
    }
    files = {name: Upload(name, text) for name, text in asked.get("files", {}).items()}
    detail = api.create_external_grader_detail(
        student,
        asked["response"],
        asked["queue"],
        "key of the callback",
        asked.get("grader", ""),
        asked.get("points", 100),  # as the problem of open-edx.md has; left out there, it is 1
        files=files,
    )
    return JsonResponse({"id": detail.submission.id})


def state(request: HttpRequest) -> JsonResponse:
    found = {}
    for detail in ExternalGraderDetail.objects.select_related("submission__student_item"):
        student = detail.submission.student_item.student_id
        score = api.get_latest_score_for_submission(str(detail.submission.uuid)) or {}
        found[student] = {
            "status": detail.status,
            "failures": detail.num_failures,
            "reply": detail.grader_reply,
            "points": score.get("points_earned"),
        }
    return JsonResponse(found)


@csrf_exempt
def age(request: HttpRequest) -> JsonResponse:
    ExternalGraderDetail.objects.update(status_time=now() - timedelta(minutes=6))
    return JsonResponse({})


urlpatterns = [
    path("xqueue/", include("submissions.urls")),
    path("media/<path:path>", serve, {"document_root": FOLDER / "media"}),
    path("test/submit", submit),
    path("test/state", state),
    path("test/age", age),
]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


def main() -> None:
    call_command("migrate", verbosity=0)
    user = User.objects.create_user(USERNAME, password=PASSWORD)
    user.groups.add(Group.objects.create(name="xqueue"))
    application = get_wsgi_application()
    with make_server("127.0.0.1", 0, application, Server, Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
