// The token stands behind the # of the address, which browsers send to nobody. Nothing happens before a person presses a
// button: programs that look at links in mails use up no token.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const status = document.querySelector("[role=status]");

for (const form of document.forms) {
  form.hidden = form.dataset.with !== (token ? "token" : "email");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(form));
    if (token) body.token = token;
    status.textContent = "";
    form.querySelector("button").disabled = true;
    try {
      const answer = await fetch(form.dataset.path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
      });
      if (answer.ok) {
        form.hidden = true;
        status.textContent = form.dataset.done;
        return;
      }
      const problem = await answer.json();
      status.textContent = problem.detail || problem.title;
    } catch {
      status.textContent = "There was no answer. Try again.";
    }
    form.querySelector("button").disabled = false;
  });
}
