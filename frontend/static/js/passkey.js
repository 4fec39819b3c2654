// Lets a form be answered with a passkey. It asks this server and nobody else; every page works without it.
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer(form);
  });
}

async function answer(form) {
  const button = form.querySelector("button");
  const faults = form.querySelector("[data-faults]");
  button.disabled = true;
  faults.hidden = true;
  try {
    if (!window.PublicKeyCredential) throw new Error("no passkeys here");
    const options = await offered(form);
    const credential =
      form.dataset.passkey === "create"
        ? await navigator.credentials.create(options)
        : await navigator.credentials.get(options);
    form.querySelector("[data-answer]").value = JSON.stringify(written(credential));
    form.submit();
  } catch {
    button.disabled = false;
    faults.hidden = false;
    faults.focus();
  }
}

async function offered(form) {
  const token = form.elements["csrf"];
  const answer = await fetch(form.dataset.options, {
    method: "POST",
    headers: token ? { "X-CSRF-Token": token.value } : {},
    credentials: "same-origin",
    redirect: "error",
  });
  if (!answer.ok) throw new Error("not offered");
  const options = await answer.json();
  const asked = options.publicKey;
  asked.challenge = bytes(asked.challenge);
  if (asked.user) asked.user.id = bytes(asked.user.id);
  for (const list of [asked.excludeCredentials, asked.allowCredentials]) {
    for (const each of list || []) each.id = bytes(each.id);
  }
  return options;
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response,
  };
}

function bytes(base64url) {
  const base64 = base64url.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
}

function text(buffer) {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
