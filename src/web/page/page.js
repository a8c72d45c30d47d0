// Says when the daemon no longer answers: htmx itself keeps quiet about it and tries again.
const lost = document.getElementById('lost');
const say = (isLost) => () => {
  lost.hidden = !isLost;
};
for (const event of ['htmx:sendError', 'htmx:responseError', 'htmx:timeout']) document.body.addEventListener(event, say(true));
document.body.addEventListener('htmx:beforeOnLoad', say(false));
