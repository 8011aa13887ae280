// Show moments in the reader's own time zone; without this they read as UTC.
htmx.onLoad((part) => {
  const form = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  for (const one of part.querySelectorAll("time[datetime]")) {
    const moment = new Date(one.dateTime);
    const year = moment.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
    one.textContent = moment.toLocaleString("en-GB", { ...form, ...year });
    one.title = `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  }
});
