#!/usr/bin/env bash
# Make the base of the images where none can be pulled: Debian bookworm with Debian's Python,
# imported under the name in PYTHON_IMAGE. Needs root, debootstrap and docker.
#
# Does nothing when the image is there and fits this machine. This machine's certificates and pip
# settings go into it, so that pip reaches the same index by the same way inside a build.
set -euo pipefail

name=${PYTHON_IMAGE:?"set PYTHON_IMAGE to the name that the image shall have"}
label=org.nnx-grader.base
settings=(/etc/pip.conf /etc/xdg/pip)
certificates=/etc/ssl/certs/ca-certificates.crt
own_certificates=/usr/local/share/ca-certificates

existing() { for path in "$@"; do [ ! -e "$path" ] || printf '%s\n' "$path"; done; }

# What the image is made of: this script, and what it copies from this machine.
made_of() {
    { cat "$0"; existing "${settings[@]}" "$certificates" "$own_certificates" |
        xargs -r -I{} find {} -type f -print0 | sort -z | xargs -0 -r cat; } | sha256sum | cut -c1-16
}

fingerprint=$(made_of)
found=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$name" 2>/dev/null || true)
if [ "$found" = "$fingerprint" ]; then
    echo "$name is there"
    exit 0
fi

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
    bookworm "$root" >"$root.log" 2>&1 || { tail -20 "$root.log" >&2; exit 1; }
rm -f "$root.log"

ln -s python3 "$root/usr/bin/python"
existing "${settings[@]}" "$certificates" "$own_certificates" | while read -r path; do
    mkdir -p "$root$(dirname "$path")"
    cp -RL "$path" "$root$(dirname "$path")/"
done
# As in Debian's own slim images: the licences stay, what only people read does not.
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type d -empty -delete
rm -rf "$root"/usr/share/{info,locale,man}/* "$root"/var/{cache,lib/apt/lists,log}/*

tar -C "$root" --one-file-system --numeric-owner --sort=name --exclude='./dev/*' -c . |
    docker import \
        --change "LABEL $label=$fingerprint" \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV LANG=C.UTF-8' \
        --change 'CMD ["python3"]' \
        - "$name" >/dev/null
echo "$name is made"
