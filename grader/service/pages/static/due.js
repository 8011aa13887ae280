// The due time in the reader's own zone: shown so, and sent as the moment that it is.
const due = document.querySelector("input[data-utc]");
if (due) {
  const zone = document.querySelector("[data-zone]");
  const sent = document.querySelector("input[name=due_utc]");
  const two = (number) => String(number).padStart(2, "0");
  if (due.defaultValue) {
    // What was served: a browser may have put back what was typed, which is no UTC.
    const at = new Date(due.defaultValue + "Z");
    due.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
  }
  zone.textContent = "your own time";
  due.form.addEventListener("submit", () => {
    const at = new Date(due.value);
    sent.value = due.value && !isNaN(at) ? at.toISOString() : "";
  });
}
