# A long job: ten steps of a second each, with its progress in the job's log. Call it with 'Prefer: respond-async'.
import time

steps = 10
for step in range(1, steps + 1):
    time.sleep(1)
    print(f"step {step} of {steps} done", flush=True)

return {"success": True, "steps": steps, "job": event.job.id}
