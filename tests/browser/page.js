// Loads /head.glb, takes every shot of /shots.json and posts it as PNG to /shot/NAME; /done ends with what was found.
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";

const post = (path, body) => fetch(path, { method: "POST", body });

function setWeights(root, weights) {
  root.traverse((mesh) => {
    for (const [name, i] of Object.entries(mesh.morphTargetDictionary ?? {})) {
      mesh.morphTargetInfluences[i] = weights[name] ?? 0;
    }
  });
}

function turnJoints(root, joints, rotations) {
  for (const joint of joints) joint.quaternion.identity();
  for (const [name, axisAngle] of Object.entries(rotations)) {
    const axis = new THREE.Vector3(...axisAngle);
    root.getObjectByName(name).quaternion.setFromAxisAngle(axis.clone().normalize(), axis.length());
  }
}

async function main() {
  const shots = await (await fetch("/shots.json")).json();
  const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.toneMapping = THREE.NoToneMapping;
  document.body.append(renderer.domElement);
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(0x8899aa);
  scene.environment = new THREE.PMREMGenerator(renderer).fromScene(new RoomEnvironment(), 0.04).texture;
  scene.environmentIntensity = 0.6;
  const sun = new THREE.DirectionalLight(0xffffff, 1.6);
  sun.position.set(0.6, 1, 1.2);
  scene.add(sun);

  const gltf = await new GLTFLoader().loadAsync("/head.glb");
  scene.add(gltf.scene);
  const joints = [];
  const meshes = {};
  gltf.scene.traverse((object) => {
    if (object.isBone) joints.push(object);
    if (object.isMesh) meshes[object.name] = Object.keys(object.morphTargetDictionary ?? {});
    if (object.isSkinnedMesh) object.frustumCulled = false;
  });
  const mixer = new THREE.AnimationMixer(gltf.scene);
  const clips = gltf.animations.map((clip) => ({ name: clip.name, seconds: clip.duration }));

  for (const shot of shots) {
    turnJoints(gltf.scene, joints, shot.joints ?? {});
    setWeights(gltf.scene, shot.weights ?? {});
    mixer.stopAllAction();
    if (shot.clip) {
      mixer.clipAction(THREE.AnimationClip.findByName(gltf.animations, shot.clip)).play();
      mixer.setTime(shot.time);
    }
    renderer.setSize(shot.size, shot.size);
    const camera = new THREE.PerspectiveCamera(shot.fov, 1, 0.01, 10); // degrees
    camera.position.set(...shot.position);
    camera.lookAt(...shot.target);
    renderer.render(scene, camera);
    const png = await new Promise((done) => renderer.domElement.toBlob(done, "image/png"));
    await post(`/shot/${shot.name}`, png);
  }
  await post("/done", JSON.stringify({ meshes, joints: joints.map((joint) => joint.name), clips }));
}

main().catch((error) => post("/done", JSON.stringify({ error: String(error.stack ?? error) })));
