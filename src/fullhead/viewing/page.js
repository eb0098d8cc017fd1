// Shows the embedded .glb files: one triangle mesh each, positions, normals and linear 16-bit colours, as fullhead writes it.
// Drag turns, the wheel comes closer, double click returns to the front.
"use strict";

const VERTEX = `
  attribute vec3 position, normal; attribute vec4 colour;
  uniform mat4 clip; uniform mat3 turn;
  varying vec3 n, c;
  void main() { gl_Position = clip * vec4(position, 1.0); n = turn * normal; c = colour.rgb; }`;
const FRAGMENT = `
  precision mediump float;
  varying vec3 n, c; uniform float look;  // 0: colours as they are, 1: under a lamp, 2: grey clay under the lamp
  void main() {
    vec3 m = normalize(n);
    float key = max(dot(m, normalize(vec3(-0.45, 0.55, 0.7))), 0.0), fill = 0.5 + 0.5 * m.y;
    vec3 light = look < 0.5 ? vec3(1.0) : vec3(0.3 + 0.6 * key + 0.25 * fill), matter = look < 1.5 ? c : vec3(0.55);
    gl_FragColor = vec4(pow(matter * light, vec3(1.0 / 2.2)), 1.0);
  }`;

function parseGlb(bytes) {  // -> {position, normal, colour, index, low, high}
  const view = new DataView(bytes.buffer), jsonLength = view.getUint32(12, true), start = 28 + jsonLength;
  const gltf = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + jsonLength)));
  const types = {5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array};
  const sizes = {SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4};
  const array = i => {
    const a = gltf.accessors[i];
    return new types[a.componentType](bytes.buffer, start + gltf.bufferViews[a.bufferView].byteOffset, a.count * sizes[a.type]);
  };
  const primitive = gltf.meshes[0].primitives[0], has = primitive.attributes, box = gltf.accessors[has.POSITION];
  return {position: array(has.POSITION), normal: array(has.NORMAL), colour: array(has.COLOR_0), index: array(primitive.indices),
          low: box.min, high: box.max};
}

function program(gl) {
  const p = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(p, shader);
  }
  gl.linkProgram(p);
  gl.useProgram(p);
  return p;
}

function upload(gl, p, mesh) {
  for (const [name, array, size, type, normalized] of [["position", mesh.position, 3, gl.FLOAT, false],
      ["normal", mesh.normal, 3, gl.FLOAT, false], ["colour", mesh.colour, 4, gl.UNSIGNED_SHORT, true]]) {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
    const at = gl.getAttribLocation(p, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalized, 0, 0);
  }
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.index, gl.STATIC_DRAW);
}

// Turn about the mesh's middle by yaw and then pitch, step back by `distance`, perspective; column-major.
function matrices(yaw, pitch, distance, aspect, mesh) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const turn = [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy];
  const middle = mesh.low.map((low, i) => (low + mesh.high[i]) / 2);
  const t = [0, 1, 2].map(i => -(turn[i] * middle[0] + turn[3 + i] * middle[1] + turn[6 + i] * middle[2]));
  t[2] -= distance;
  const f = 3.7, near = 0.02, far = 20, a = (far + near) / (near - far), b = 2 * far * near / (near - far);
  const clip = [];
  for (let j = 0; j < 4; j++) {
    const [x, y, z] = j < 3 ? [turn[3 * j], turn[3 * j + 1], turn[3 * j + 2]] : t;
    clip.push(f * x / Math.max(aspect, 1e-3), f * y, a * z + (j === 3 ? b : 0), -z);
  }
  return {turn: new Float32Array(turn), clip: new Float32Array(clip)};
}

function show(canvas, bytes) {
  const gl = canvas.getContext("webgl", {antialias: true, alpha: true});
  if (!gl || !gl.getExtension("OES_element_index_uint")) {
    canvas.replaceWith(Object.assign(document.createElement("p"), {textContent: "This browser has no WebGL: open the .glb elsewhere."}));
    return;
  }
  const mesh = parseGlb(bytes), p = program(gl);
  upload(gl, p, mesh);
  gl.enable(gl.DEPTH_TEST);
  const height = Math.max(mesh.high[1] - mesh.low[1], mesh.high[0] - mesh.low[0]), home = 2.3 * height;
  let yaw = -0.35, pitch = 0.08, distance = home, drag = null, waiting = false;
  const draw = () => {
    waiting = false;
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const m = matrices(yaw, pitch, distance, canvas.width / canvas.height, mesh);
    gl.uniformMatrix4fv(gl.getUniformLocation(p, "clip"), false, m.clip);
    gl.uniformMatrix3fv(gl.getUniformLocation(p, "turn"), false, m.turn);
    gl.uniform1f(gl.getUniformLocation(p, "look"), Number(canvas.dataset.look || 0));
    gl.drawElements(gl.TRIANGLES, mesh.index.length, gl.UNSIGNED_INT, 0);
  };
  const redraw = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
  canvas.addEventListener("pointerdown", e => { drag = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointermove", e => {
    if (!drag) return;
    yaw += (e.clientX - drag[0]) * 0.008;
    pitch = Math.max(-1.5, Math.min(1.5, pitch + (e.clientY - drag[1]) * 0.008));
    drag = [e.clientX, e.clientY];
    redraw();
  });
  canvas.addEventListener("wheel", e => {
    e.preventDefault();
    distance = Math.max(0.6 * height, Math.min(8 * height, distance * Math.exp(e.deltaY * 0.001)));
    redraw();
  }, {passive: false});
  canvas.addEventListener("dblclick", () => { yaw = pitch = 0; distance = home; redraw(); });
  for (const button of canvas.parentElement.querySelectorAll("[data-look]:not(canvas)"))
    button.addEventListener("click", () => { canvas.dataset.look = button.dataset.look; redraw(); });
  new ResizeObserver(redraw).observe(canvas);
}

for (const canvas of document.querySelectorAll("canvas[data-glb]")) {
  const text = atob(document.getElementById(canvas.dataset.glb).textContent.trim());
  show(canvas, Uint8Array.from(text, letter => letter.charCodeAt(0)));
}
