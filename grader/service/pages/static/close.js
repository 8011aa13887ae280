// Tell the platform that registration is done, as LTI dynamic registration asks for: it closes this
// page. Where something is to be read before, that is what the button is for.
const done = () => (window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, "*");
const button = document.getElementById("close");
if (button) {
  button.disabled = false;
  button.addEventListener("click", done);
} else {
  done();
}
