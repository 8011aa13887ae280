// Tell the platform that registration is done, as LTI dynamic registration asks for.
(window.opener || window.parent).postMessage({ subject: "org.imsglobal.lti.close" }, "*");
